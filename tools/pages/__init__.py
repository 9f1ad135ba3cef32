"""Pages of the site that are made when it is built: what they say is read from the code."""
