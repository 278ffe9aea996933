"""The tree of exceptions. Each message ends with what the user can do next.

::

    FieldguideError
    |-- UsageError               the call itself is wrong: exit code 2
    |   |-- UnknownNameError     no offer or record of that name
    |   |-- AmbiguousNameError   several offers of that name, or several modalities that fit
    |   `-- WhereError           a filter expression that cannot be read
    |-- PluginError              a plugin that cannot be used
    |-- MissingExtraError        a pip extra is not installed
    |-- RegistryError            a registry file that is not valid
    |-- WeightsError             weights that are missing, changed or unsafe
    |-- SpaceMismatchError       vectors of two different spaces
    |-- StoreError               an index or embedding file that cannot be used
    |   `-- BusyError            another process writes it
    |-- OutOfMemoryError         the model does not fit into memory
    |-- AdapterError             an adapter that does not fit, is damaged, or changes nothing
    |-- TuningError              a training that cannot start or must stop
    |-- BackendError             a backend cannot run the model, or disagrees with torch
    `-- InputError               one input, recorded, the job goes on
        |-- LoadError            the file cannot be read
        |-- ContractError        the content is not what the encoder takes
        |-- ScopeError           no installed model was made for this kind of image
        `-- EmptyError           there is nothing in it to look at, which is no failure
"""


class FieldguideError(Exception):
    """Base of every error that fieldguide raises on purpose."""


class UsageError(FieldguideError):
    """The call itself is wrong."""


class UnknownNameError(UsageError):
    """Nothing of that name is offered."""


class AmbiguousNameError(UsageError):
    """More than one thing fits, and the user has to choose."""


class WhereError(UsageError):
    """A ``where`` expression cannot be read."""


class PluginError(FieldguideError):
    """A plugin cannot be used."""


class MissingExtraError(FieldguideError):
    """A package that a pip extra brings is not installed."""


class RegistryError(FieldguideError):
    """A registry file is not valid."""


class WeightsError(FieldguideError):
    """Weights are missing, differ from their checksum, or could run code."""


class SpaceMismatchError(FieldguideError):
    """Vectors of two different embedding spaces were about to be compared."""


class StoreError(FieldguideError):
    """An index or embedding file cannot be read or written."""


class BusyError(StoreError):
    """Another process writes the same store."""


class OutOfMemoryError(FieldguideError):
    """Memory does not suffice for even one image."""


class AdapterError(FieldguideError):
    """An adapter does not fit its model, is damaged, or changes nothing."""


class TuningError(FieldguideError):
    """A training cannot start, or must stop before its end."""


class BackendError(FieldguideError):
    """A backend cannot run a model, or its vectors differ too much from torch's."""


class InputError(FieldguideError):
    """One input cannot be used; a job records it and goes on."""

    status = "skipped"


class LoadError(InputError):
    """A file cannot be read."""


class ContractError(InputError):
    """The content of an input is not what the encoder takes."""

    status = "refused"


class ScopeError(InputError):
    """No installed model was made for this kind of image."""

    status = "refused"


class EmptyError(InputError):
    """There is nothing in an input to look at: it is passed over and is no failure."""

    status = "empty"
