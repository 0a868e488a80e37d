"""The whole error tree.

Every error a client can meet carries AWS's code, HTTP status and side (``User`` or
``Service``); `lamella.api.contract` is the one place that turns one into a response.
Errors of the host (a sandbox that cannot be built, an interpreter that is missing)
stand beside them and are translated where they are caught.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class LamellaError(Exception):
    """Anything Lamella raises on purpose."""


class ApiError(LamellaError):
    """An answer to a client: AWS's error code, status, message and extra members.

    ``members`` are further fields of the error's shape in botocore's model
    (``Reason`` and ``retryAfterSeconds`` of a throttle, for example).
    """

    code: ClassVar[str] = "ServiceException"
    status: ClassVar[int] = 500
    side: ClassVar[str] = "User"

    def __init__(self, message: str, **members: str) -> None:
        super().__init__(message)
        self.message = message
        self.members = members


class Refused(LamellaError):
    """What the operator asked for cannot be; ``faults`` names each reason."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class ServiceError(ApiError):
    code = "ServiceException"
    status = 500
    side = "Service"


class NotBuilt(ApiError):
    """An operation of the model that this version does not offer."""

    code = "NotImplementedException"
    status = 501
    side = "Service"


class UnknownOperation(ApiError):
    """No operation has this method and path."""

    code = "UnknownOperationException"
    status = 404


class UnknownTarget(UnknownOperation):
    """``X-Amz-Target`` names no operation of the service."""

    status = 400


class UnknownAction(ApiError):
    """``Action`` names no operation of the service."""

    code = "InvalidAction"
    status = 400


class MissingAction(ApiError):
    """A form without ``Action``."""

    code = "MissingAction"
    status = 400


class MalformedInput(ApiError):
    """A form that cannot be read as the operation's input."""

    code = "MalformedInput"
    status = 400


class NoSuchEntity(ApiError):
    """IAM's 404."""

    code = "NoSuchEntity"
    status = 404


class EntityAlreadyExists(ApiError):
    code = "EntityAlreadyExists"
    status = 409


class DeleteConflict(ApiError):
    """What is to be deleted still has something in it, or is in use."""

    code = "DeleteConflict"
    status = 409


class LimitExceeded(ApiError):
    """One of IAM's quotas."""

    code = "LimitExceeded"
    status = 409


class InvalidInput(ApiError):
    code = "InvalidInput"
    status = 400


class MalformedPolicyDocument(ApiError):
    code = "MalformedPolicyDocument"
    status = 400


class ValidationFailed(ApiError):
    """The request breaks constraints of the model; the message lists all of them."""

    code = "ValidationException"
    status = 400


class SerializationFailed(ApiError):
    """The request's body cannot be read as the operation's input."""

    code = "SerializationException"
    status = 400


class InvalidParameterValue(ApiError):
    code = "InvalidParameterValueException"
    status = 400


class InvalidRequestContent(ApiError):
    code = "InvalidRequestContentException"
    status = 400


class CodeStorageExceeded(ApiError):
    code = "CodeStorageExceededException"
    status = 400


class PolicyLengthExceeded(ApiError):
    code = "PolicyLengthExceededException"
    status = 400


class AccessDenied(ApiError):
    code = "AccessDeniedException"
    status = 403


class MissingAuthenticationToken(ApiError):
    """The request is not signed."""

    code = "MissingAuthenticationTokenException"
    status = 403

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token")


class IncompleteSignature(ApiError):
    """The request is signed in a way that nobody could check; the message says what lacks."""

    code = "IncompleteSignatureException"
    status = 403


class InvalidSignature(ApiError):
    """The signature is not that of this request now."""

    code = "InvalidSignatureException"
    status = 403


class UnrecognizedClient(ApiError):
    """No access key, or no session, is what the request says (the message is AWS's)."""

    code = "UnrecognizedClientException"
    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


class ExpiredToken(ApiError):
    code = "ExpiredTokenException"
    status = 403

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class PackedPolicyTooLarge(ApiError):
    """The policies for one session are more than its token can carry."""

    code = "PackedPolicyTooLarge"
    status = 400


class ResourceNotFound(ApiError):
    code = "ResourceNotFoundException"
    status = 404


class CodeSigningConfigNotFound(ApiError):
    code = "CodeSigningConfigNotFoundException"
    status = 404


class ProvisionedConcurrencyConfigNotFound(ApiError):
    code = "ProvisionedConcurrencyConfigNotFoundException"
    status = 404


class LogsError(ApiError):
    """An error of CloudWatch Logs, which answers 400 where others answer 404."""


class LogsResourceNotFound(LogsError):
    code = "ResourceNotFoundException"
    status = 400


class LogsResourceExists(LogsError):
    code = "ResourceAlreadyExistsException"
    status = 400


class LogsInvalidParameter(LogsError):
    code = "InvalidParameterException"
    status = 400


class ResourceConflict(ApiError):
    code = "ResourceConflictException"
    status = 409


class RecursiveInvocation(ApiError):
    code = "RecursiveInvocationException"
    status = 400


class ResourceInUse(ApiError):
    code = "ResourceInUseException"
    status = 400


class PreconditionFailed(ApiError):
    code = "PreconditionFailedException"
    status = 412


class RequestTooLarge(ApiError):
    """The request's body as a whole is over the operation's limit."""

    code = "RequestTooLargeException"
    status = 413


class RequestEntityTooLarge(ApiError):
    """A zip in the request, or the request that carries one, is over its limit."""

    code = "RequestEntityTooLargeException"
    status = 413


class TooManyRequests(ApiError):
    code = "TooManyRequestsException"
    status = 429


class InvalidRuntime(ApiError):
    """The runtime a function names cannot run on this host."""

    code = "InvalidRuntimeException"
    status = 502
    side = "Service"


class SnapStartFailed(ApiError):
    """What a function has to be run after a restore has failed (the message is AWS's)."""

    code = "SnapStartException"
    status = 400

    def __init__(self) -> None:
        super().__init__(
            "The afterRestore() runtime hook encountered an error. "
            "For more information, check the Amazon CloudWatch logs."
        )


class SnapStartTimeout(ApiError):
    """A snapshot was not restored in ten seconds (the message is AWS's)."""

    code = "SnapStartTimeoutException"
    status = 408

    def __init__(self) -> None:
        super().__init__("Lambda couldn't restore the snapshot within the timeout limit.")


class SnapshotFailed(LamellaError):
    """A version could not be initialised when it was published; ``code`` is AWS's
    StateReasonCode."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class NotAnArchive(InvalidParameterValue):
    """The bytes are not a zip at all (the message is AWS's)."""

    def __init__(self) -> None:
        super().__init__(COULD_NOT_UNZIP)


class ArchiveRefused(InvalidParameterValue):
    """A zip that may not be unpacked; ``faults`` names every reason, in entry order."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        listed = "; ".join(self.faults[:20])
        more = f"; and {len(self.faults) - 20} more" if len(self.faults) > 20 else ""
        super().__init__(f"{COULD_NOT_UNZIP} The archive is refused: {listed}{more}")


class UnzippedTooLarge(InvalidParameterValue):
    """Function and layers together, or one archive alone, exceed 250 MB unzipped."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Unzipped size must be smaller than {limit} bytes")


COULD_NOT_UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


class HostError(LamellaError):
    """This machine cannot do what was asked of it; the message says what would mend it."""


class SandboxFailed(HostError):
    """A box could not be built or started."""


class RuntimeMissing(HostError):
    """No interpreter on this host serves a runtime; the message says how to get one."""
