"""Every error a user can meet. Messages say what was got, what was expected and what to do."""


class AlFashionError(Exception):
    """Base of all errors that the command line and the page turn into one line.

    `values` fill the {braces} of `message`; the page may know the message in another language.
    """

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message, self.values = message, values


class WorkspaceError(AlFashionError):
    """The workspace is missing, unreadable, unwritable or from another version."""


class LabelError(WorkspaceError):
    """A label that cannot be."""


class SourceError(AlFashionError):
    """A source of photos or its manifest cannot be imported as it is."""


class UnknownLabel(AlFashionError):
    """A label that the workspace does not have."""


class MissingPhotos(AlFashionError):
    """Photos that were imported are no longer where they were."""


class WeightsError(AlFashionError):
    """The backbone's weights cannot be found, or are not what they should be."""


class QueueError(AlFashionError):
    """The queue cannot take or give what was asked."""


class AnswerError(AlFashionError):
    """An answer that cannot be accepted."""


class AnswerConflict(AnswerError):
    """An answer's id was used for another answer."""


class NotYours(AnswerError):
    """A photo or an answer that is another person's, or nobody's."""


class AccountError(AlFashionError):
    """A name, a password or an invitation that cannot be."""


class TooManyFailures(AlFashionError):
    """Wrong passwords were given too often."""


class NotSignedIn(AlFashionError):
    """Nobody is signed in."""


class Refused(AlFashionError):
    """Who asks may not do this."""


class FeatureCacheError(AlFashionError):
    """The cached features cannot be read or written, or belong to another backbone."""


class MissingFeatures(AlFashionError):
    """Photos whose features have not been computed."""


class DownloadError(AlFashionError):
    """A download failed or did not begin in time."""


class ModelError(AlFashionError):
    """A model that cannot be trained as asked, or a file that is not a model of ours."""


class ComparisonError(AlFashionError):
    """An experiment that compares strategies cannot be run as it is described."""


class AuditError(AlFashionError):
    """An audit cannot be started, claimed or verified."""


class ExportError(AlFashionError):
    """Something that cannot be exported, or not to there."""
