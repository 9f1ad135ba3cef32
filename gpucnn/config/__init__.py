"""One YAML file says what to train. Here it is read, checked, and made into what it names.

`load` gives a configuration or tells all of its faults; `build` makes of it the data, the network and the rest.
"""
