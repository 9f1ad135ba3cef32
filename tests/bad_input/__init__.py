"""Whatever is wrong with the input: one message that says what and how to mend it, the exit code, and nothing left.

Every row is one kind of bad input, given through the command line. After it the folder is as it was before.
"""
