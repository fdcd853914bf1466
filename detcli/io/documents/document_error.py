"""The error of a document that cannot be parsed."""


class DocumentError(ValueError):
    """A document cannot be parsed; the message is a clause that says why and where, to follow the name of the file."""
