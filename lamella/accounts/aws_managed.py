"""AWS's own managed policies, as far as they are about the services that are here.

The ones that functions' roles have most often; of an unknown one nothing is allowed. What AWS's
documents say of other services is left out, because nothing here would ask it.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from lamella.accounts.policy import Policy, read

_PREFIX = "arn:aws:iam::aws:policy/"
_WRITE_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_READ_LAMBDA = ("lambda:Get*", "lambda:List*")
_READ_LOGS = (
    "logs:Describe*",
    "logs:Get*",
    "logs:List*",
    "logs:StartQuery",
    "logs:StopQuery",
    "logs:TestMetricFilter",
    "logs:FilterLogEvents",
    "logs:StartLiveTail",
    "logs:StopLiveTail",
)
_READ_IAM = ("iam:GenerateCredentialReport", "iam:Get*", "iam:List*", "iam:Simulate*")
_LOOK_AT_ROLES = ("iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy")
_LIST_ROLES = ("iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles")

_ALLOWED: Mapping[str, tuple[str, ...]] = {
    "AdministratorAccess": ("*",),
    "AWSLambdaExecute": ("logs:*",),
    "AWSLambda_FullAccess": ("lambda:*", *_LOOK_AT_ROLES, *_LIST_ROLES),
    "AWSLambda_ReadOnlyAccess": (*_READ_LAMBDA, *_LOOK_AT_ROLES, *_LIST_ROLES),
    "CloudWatchLogsFullAccess": ("logs:*",),
    "CloudWatchLogsReadOnlyAccess": _READ_LOGS,
    "IAMFullAccess": ("iam:*",),
    "IAMReadOnlyAccess": _READ_IAM,
    "ReadOnlyAccess": (*_READ_LAMBDA, *_READ_LOGS, *_READ_IAM),
    "service-role/AWSLambdaBasicExecutionRole": _WRITE_LOGS,
    "service-role/AWSLambdaDynamoDBExecutionRole": _WRITE_LOGS,
    "service-role/AWSLambdaKinesisExecutionRole": _WRITE_LOGS,
    "service-role/AWSLambdaMSKExecutionRole": _WRITE_LOGS,
    "service-role/AWSLambdaRole": ("lambda:InvokeFunction",),
    "service-role/AWSLambdaSQSQueueExecutionRole": _WRITE_LOGS,
    "service-role/AWSLambdaVPCAccessExecutionRole": _WRITE_LOGS,
}
_STATEMENTS: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "AWSLambda_FullAccess": (
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        },
        {
            "Effect": "Allow",
            "Action": ["logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"],
            "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/*",
        },
    ),
    "AWSDenyAll": ({"Effect": "Deny", "Action": "*", "Resource": "*"},),
    "PowerUserAccess": (
        {
            "Effect": "Allow",
            "NotAction": ["iam:*", "organizations:*", "account:*"],
            "Resource": "*",
        },
        {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"},
    ),
}


@lru_cache
def find(arn: str) -> Policy | None:
    """What the policy of AWS's with this ARN says of the services here; None for an unknown one."""
    name = arn.removeprefix(_PREFIX) if arn.startswith(_PREFIX) else ""
    actions = _ALLOWED.get(name)
    plain = () if actions is None else ({"Effect": "Allow", "Action": [*actions], "Resource": "*"},)
    statements = [*plain, *_STATEMENTS.get(name, ())]
    return read({"Statement": statements}) if statements else None
