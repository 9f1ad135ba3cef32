"""What can go wrong, by whose hand. Every message says what was given, what was expected and how to mend it."""


class InputError(ValueError):
    """The user's input is wrong: a file, an option, a shape. The command line exits with 2."""


class ShapeError(InputError):
    """Shapes that do not fit together."""


class DataError(InputError):
    """A data file that is damaged, of another kind than named, or holds impossible values."""


class ConfigError(InputError):
    """A configuration that does not say what to train."""


class DeviceError(InputError):
    """A device that was asked for and cannot be had."""


class CheckpointError(InputError):
    """Saved weights or a saved state that are damaged or belong to another network."""


class TrainingError(RuntimeError):
    """Training itself broke down, for example by a loss that is no longer a number."""
