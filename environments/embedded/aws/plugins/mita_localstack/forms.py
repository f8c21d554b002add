"""Whether requests have a form that AWS takes; LocalStack answers many others with an internal error."""

from __future__ import annotations

from botocore.model import OperationNotFoundError
from botocore.validate import ParamValidator
from localstack.aws import handlers
from localstack.aws.api import RequestContext, ServiceException
from localstack.aws.chain import HandlerChain
from localstack.aws.protocol.parser import OperationNotFoundParserError
from localstack.http import Response

from . import refusals

_VALIDATOR = ParamValidator()


def parse(chain: HandlerChain, context: RequestContext, response: Response) -> None:
    """Read a request, in place of LocalStack's own step, which reads it for us.

    Raises:
        CommonServiceException: It names no operation of the service, or cannot be read.
    """
    try:
        handlers.parse_service_request(chain, context, response)
    except ServiceException:
        raise
    except Exception as error:  # whatever its parsers trip over was sent by the caller
        # An error is written in the form of some operation's answer.
        context.operation = context.service.operation_model(context.service.operation_names[0])
        # Which of the two it is depends on the protocol.
        if isinstance(error, OperationNotFoundParserError) or isinstance(
            error.__cause__, OperationNotFoundError
        ):
            raise refusals.unknown_operation(context) from error
        raise refusals.unreadable(context) from error


def require_valid(context: RequestContext) -> None:
    """Compare a call's parameters with AWS' own description of the operation.

    Raises:
        CommonServiceException: One is missing, is of another type, or is too short.
    """
    shape = context.operation.input_shape
    if shape is None:
        return
    required = set(shape.required_members)
    given = {
        name: value
        for name, value in (context.service_request or {}).items()
        # A list of which a URL says nothing is read as an empty one.
        if value is not None and (value != [] or name in required)
    }
    report = _VALIDATOR.validate(given, shape)
    if report.has_errors():
        # Its own report quotes the values, which may be secret.
        found = sorted({f"{name or 'the request'}: {reason}" for reason, name, _ in report._errors})  # noqa: SLF001
        raise refusals.invalid(context, found)
