"""Exception types. Every message says what was given, what was expected and how to correct it."""


class InputError(ValueError):
    """Invalid input: a file, an option, a shape. The command line exits with 2."""


class ShapeError(InputError):
    """Incompatible shapes."""


class DataError(InputError):
    """A data file that is damaged, of another format, or has invalid values."""


class ConfigError(InputError):
    """An invalid configuration."""


class DeviceError(InputError):
    """A requested device that is unavailable."""


class CheckpointError(InputError):
    """Saved weights, or a saved state, that are damaged or of another network."""


class TrainingError(RuntimeError):
    """Training that failed, for example with a loss that is not finite."""


class GpuMemoryError(TrainingError, MemoryError):
    """Training that does not fit in a GPU's memory."""
