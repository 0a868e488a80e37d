"""What is really there while requests are made up: functions, layers and what belongs to them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tests.api.cloud import client
from tests.e2e.server import ROLE, Cloud, zipped

ACCOUNT, REGION = "000000000000", "eu-west-1"
CODE = zipped({"app.py": "def handler(event, context):\n    return event\n"})
BROKEN = zipped({"app.py": "def handler(event, context):\n    raise ValueError(event)\n"})
LIBRARY = zipped({"python/shared.py": "VALUE = 1\n"})
FUNCTIONS = ("first", "second")
PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/p/abcdefghij"
UUID = "01234567-89ab-cdef-0123-456789abcdef"


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
)
GROUP = "/aws/lambda/first"
BESIDE: Mapping[str, Sequence[Any]] = {
    "roleNameType": ["r", "r", "none", "made"],
    "policyNameType": ["p", "none"],
    "policyDocumentType": [TRUST, POLICY, "{}", "[", "null", '{"Statement": 1}'],
    "arnType": [
        ROLE,
        f"arn:aws:iam::{ACCOUNT}:policy/p",
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        "arn:aws:iam::111122223333:role/other",
    ],
    "policyVersionIdType": ["v1", "v2"],
    "markerType": ["", "r", "x|y", "99999"],
    "LogGroupName": [GROUP, GROUP, "made", "none"],
    "LogGroupIdentifier": [GROUP, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"],
    "LogStreamName": ["s", "s", "none", "2026/01/02/[1]" + "a" * 32],
    "AmazonResourceName": [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"],
    "FilterPattern": [
        *("", "a -b", '"a b"', "?a ?b", "%a.*b%", '{ $.a = "x" && $.b[0] > 1 }', "{ $.a IS NULL }"),
        *("[a, b=1*, ...]", "{", "[", "%(%", "{ $.a = }", '"', "{ $.a = 1 || ( }", "%(a+)+$%"),
    ],
    "NextToken": ["f/0", "b/0", "x", "f/9999999999999999999999", "1"],
    "Days": [1, 7, 2, 3653],
}
"""Samples for the services beside Lambda, by the names of their shapes."""


class World:
    """Makes what requests need to get far; what they have deleted is made again."""

    def __init__(self, endpoint: str) -> None:
        self._client = Cloud(endpoint, region=REGION).client
        self._iam = client(endpoint, "iam")
        self._made: dict[str, str] = {}

    def renew(self) -> Mapping[str, Sequence[Any]]:
        """Make what is missing; the samples of values, by the names of shapes."""
        for name in FUNCTIONS:
            self._function(name)
        self._role()
        layer = self._once("layer", self._layer)
        config = self._once("config", self._signing)
        mapping = self._once("mapping", self._mapping)
        return {**samples(layer, config, mapping), **BESIDE}

    def _function(self, name: str) -> None:
        with contextlib.suppress(ClientError):
            self._client.create_function(
                FunctionName=name,
                Runtime="python3.11",
                Handler="app.handler",
                Role=ROLE,
                Code={"ZipFile": CODE if name == FUNCTIONS[0] else BROKEN},
                Publish=True,
            )
        with contextlib.suppress(ClientError):
            self._client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    def _role(self) -> None:
        with contextlib.suppress(ClientError):
            self._iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
            self._iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _layer(self) -> str:
        answer = self._client.publish_layer_version(
            LayerName="shared", Content={"ZipFile": LIBRARY}
        )
        return str(answer["LayerVersionArn"])

    def _signing(self) -> str:
        answer = self._client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
        )
        return str(answer["CodeSigningConfig"]["CodeSigningConfigArn"])

    def _mapping(self) -> str:
        answer = self._client.create_event_source_mapping(
            FunctionName=FUNCTIONS[0],
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s",
            StartingPosition="LATEST",
        )
        return str(answer["UUID"])


def samples(layer: str, config: str, mapping: str) -> Mapping[str, Sequence[Any]]:
    """Values that mean something in this world, and near misses of them."""
    arns = [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in FUNCTIONS]
    elsewhere = [
        f"arn:aws:lambda:{REGION}:111122223333:function:first",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:first",
    ]
    bare = [*FUNCTIONS, *FUNCTIONS, *arns, f"{ACCOUNT}:function:first", "none", "made", "first"]
    named = [*bare, "first:1", "first:live", "second:$LATEST", f"{arns[0]}:1", *elsewhere]
    qualifiers = ["$LATEST", "1", "live", "$LATEST", "1", "live", "2", "none", "9" * 20]
    layer_arn = layer.rpartition(":")[0]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s2"
    return {
        **dict.fromkeys(
            ("FunctionName", "NamespacedFunctionName", "FunctionUrlFunctionName"), named
        ),
        "UnqualifiedFunctionName": bare,
        **dict.fromkeys(
            (
                *("Qualifier", "NumericLatestPublishedOrAliasQualifier", "FunctionUrlQualifier"),
                *("PublishedFunctionQualifier", "VersionWithLatestPublished", "AdditionalVersion"),
            ),
            qualifiers,
        ),
        "Version": ["1", "2", "$LATEST"],
        "Alias": ["live", "none", "other"],
        "LayerName": ["shared", layer_arn, "none"],
        "LayerNameOrArn": ["shared", layer_arn, "none"],
        "LayerVersionArn": [layer, layer, f"{layer_arn}:99"],
        "LayerVersionNumber": [1, 1, 2, 0, -1, 2**31 - 1],
        "LayerList": [[layer], []],
        "CodeSigningConfigArn": [config, config, config[:-1] + "0"],
        "TaggableResource": [*arns, config, f"{arns[0]}:1", _mapping_arn(mapping), *elsewhere],
        "PolicyResourceArn": [*arns, f"{arns[0]}:live", f"{arns[0]}:1", *elsewhere],
        "Arn": [
            arns[0],
            queue,
            stream,
            PROFILE,
            "arn:aws:s3:::bucket",
            f"arn:aws:iam::{ACCOUNT}:root",
        ],
        "DestinationArn": [arns[0], queue, ""],
        "ResourceArn": [queue, ""],
        "FunctionCode": [{"ZipFile": CODE}, {"ZipFile": BROKEN}],
        "LayerVersionContentInput": [{"ZipFile": LIBRARY}],
        "Cors": [{"AllowOrigins": ["*"], "MaxAge": 1}],
        "Blob": [CODE, BROKEN, LIBRARY, b"PK", b""],
        "Runtime": ["python3.11", "python3.11", "nodejs22.x", "provided.al2023", "java21"],
        "Handler": ["app.handler", "none.handler", "app", ""],
        "RoleArn": [ROLE],
        "Timeout": [1, 3],
        "S3Bucket": ["bucket"],
        "StatementId": ["one", "two"],
        "NamespacedStatementId": ["one", "two"],
        "Action": ["lambda:InvokeFunction", "lambda:*", "lambda:GetFunction"],
        "LayerPermissionAllowedPrincipal": ["*", "111122223333"],
        "Principal": ["*", "111122223333", "s3.amazonaws.com", f"arn:aws:iam::{ACCOUNT}:root"],
        "ResourcePolicy": ["{}", '{"Version": "2012-10-17", "Statement": []}', "[", "1", "null"],
        "RevisionId": [UUID],
        "PositiveInteger": [1, 1, 2],
        "ReservedConcurrentExecutions": [5, 0, 100, 901],
        "BatchSize": [1, 10, 10_000],
        "Pattern": ['{"body": [1]}', "{", "[]", '{"a": [{"prefix": ""}]}', '{"$or": [1]}'],
        "Queue": ["queue"],
        "Topic": ["topic"],
        "UUID": [mapping, UUID, "x"],
        "String": [mapping, UUID, "", "1", "first", "x|y", "a:1", "99999999999999999999"],
        "Endpoint": ["localhost:9092"],
    }


def _mapping_arn(uuid: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"
