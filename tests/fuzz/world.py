"""What is really there while requests are made up: functions, layers and what belongs to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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


@dataclass(frozen=True, slots=True)
class Made:
    """What is there now: ``versions`` of `FUNCTIONS`, and what else has an ARN or id of its own."""

    versions: tuple[str, ...]
    layer: str
    config: str
    mapping: str
    policy: str


class World:
    """Makes what requests need to get far; what they have deleted is made again."""

    def __init__(self, endpoint: str) -> None:
        self._lambda = Cloud(endpoint, region=REGION).client
        self._iam = client(endpoint, "iam")
        self._made: dict[str, str] = {}
        self._renewals = 0

    def renew(self) -> Mapping[str, Sequence[Any]]:
        """Make what is missing; the samples of values, by the names of shapes."""
        self._renewals += 1
        self._role()
        made = Made(
            versions=tuple(self._version(name) for name in FUNCTIONS),
            layer=self._kept("layer", self._layer, self._has_layer),
            config=self._kept("config", self._signing, self._has_signing),
            mapping=self._kept("mapping", self._mapping, self._has_mapping),
            policy=self._kept("policy", self._policy, self._has_policy),
        )
        self._permissions(made.layer)
        return {**samples(made), **beside(made), "FunctionUrl": [self._url()]}

    def _url(self) -> str:
        """The path of the first function's URL."""
        named = {"FunctionName": FUNCTIONS[0]}
        _done(lambda: self._lambda.create_function_url_config(**named, AuthType="NONE"))
        if not _done(lambda: self._lambda.get_function_url_config(**named)):
            return "/lambda-url/none/"
        return urlsplit(str(self._lambda.get_function_url_config(**named)["FunctionUrl"])).path

    def _permissions(self, layer: str) -> None:
        _done(
            lambda: self._lambda.add_permission(
                FunctionName=FUNCTIONS[0],
                StatementId="one",
                Action="lambda:InvokeFunction",
                Principal="*",
            )
        )
        _done(
            lambda: self._lambda.add_permission(
                FunctionName=FUNCTIONS[0],
                StatementId="url",
                Action="lambda:InvokeFunctionUrl",
                Principal="*",
                FunctionUrlAuthType="NONE",
            )
        )
        name, _, version = layer.rpartition(":")
        _done(
            lambda: self._lambda.add_layer_version_permission(
                LayerName=name,
                VersionNumber=int(version),
                StatementId="one",
                Action="lambda:GetLayerVersion",
                Principal="*",
            )
        )

    def _kept(self, what: str, make: Callable[[], str], has: Callable[[str], object]) -> str:
        known = self._made.get(what)
        if known is not None and _done(lambda: has(known)):
            return known
        self._made[what] = make()
        return self._made[what]

    def _version(self, name: str) -> str:
        """The function's version that the alias ``live`` names; all three are there afterwards."""
        known = self._made.get(name, "")
        if known and _done(lambda: self._alias(name, known)):
            return known
        _done(lambda: self._function(name))
        fresh = f"made anew, {self._renewals}"
        version = str(self._lambda.publish_version(FunctionName=name, Description=fresh)["Version"])
        _done(lambda: self._alias(name, version))
        self._made[name] = version
        return version

    def _alias(self, name: str, version: str) -> None:
        self._lambda.get_function_configuration(FunctionName=name, Qualifier=version)
        named = {"FunctionName": name, "Name": "live", "FunctionVersion": version}
        if not _done(lambda: self._lambda.create_alias(**named)):
            self._lambda.update_alias(**named)

    def _function(self, name: str) -> None:
        self._lambda.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": CODE if name == FUNCTIONS[0] else BROKEN},
        )

    def _role(self) -> None:
        document = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}
        if _done(lambda: self._iam.create_role(**document)):
            self._iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=POLICY)

    def _layer(self) -> str:
        answer = self._lambda.publish_layer_version(
            LayerName="shared", Content={"ZipFile": LIBRARY}
        )
        return str(answer["LayerVersionArn"])

    def _has_layer(self, arn: str) -> None:
        self._lambda.get_layer_version_by_arn(Arn=arn)

    def _signing(self) -> str:
        answer = self._lambda.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PROFILE]}
        )
        return str(answer["CodeSigningConfig"]["CodeSigningConfigArn"])

    def _has_signing(self, arn: str) -> None:
        self._lambda.get_code_signing_config(CodeSigningConfigArn=arn)

    def _mapping(self) -> str:
        answer = self._lambda.create_event_source_mapping(
            FunctionName=FUNCTIONS[0],
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self._renewals}",
            StartingPosition="LATEST",
        )
        return str(answer["UUID"])

    def _has_mapping(self, uuid: str) -> None:
        self._lambda.get_event_source_mapping(UUID=uuid)

    def _policy(self) -> str:
        answer = self._iam.create_policy(PolicyName=f"p{self._renewals}", PolicyDocument=POLICY)
        return str(answer["Policy"]["Arn"])

    def _has_policy(self, arn: str) -> None:
        self._iam.get_policy(PolicyArn=arn)


def _done(work: Callable[[], object]) -> bool:
    """Whether a call went through; what is there already, or is gone, is no fault here."""
    try:
        work()
    except ClientError:
        return False
    return True


def samples(made: Made) -> Mapping[str, Sequence[Any]]:
    """Values that mean something in this world, and near misses of them."""
    layer, config, mapping = made.layer, made.config, made.mapping
    first, second = made.versions
    arns = [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in FUNCTIONS]
    elsewhere = [
        f"arn:aws:lambda:{REGION}:111122223333:function:first",
        f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:first",
    ]
    real = [*FUNCTIONS, *arns, f"{ACCOUNT}:function:first"]
    bare = [*real, *real, "none", "made"]
    versions = [f"first:{first}", f"second:{second}", "first:live", f"{arns[0]}:{first}"]
    named = [*real, *real, *versions, "second:$LATEST", "none", "made", *elsewhere]
    qualifiers = [
        "$LATEST",
        first,
        second,
        "live",
        "$LATEST",
        first,
        second,
        "live",
        "none",
        "9" * 20,
    ]
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
        "Version": [first, second, "$LATEST"],
        "Alias": ["live", "live", "live", "none", "other"],
        "LayerName": ["shared", "shared", layer_arn, "none"],
        "LayerNameOrArn": ["shared", "shared", layer_arn, "none"],
        "LayerVersionArn": [layer, layer, f"{layer_arn}:99"],
        "LayerVersionNumber": [int(layer.rpartition(":")[2])] * 6 + [0, -1, 2**31 - 1],
        "LayerList": [[layer], []],
        "CodeSigningConfigArn": [config, config, config, config[:-1] + "0"],
        "TaggableResource": [
            *arns,
            config,
            f"{arns[0]}:{first}",
            _mapping_arn(mapping),
            *elsewhere,
        ],
        "PolicyResourceArn": [*arns, f"{arns[0]}:live", f"{arns[0]}:{first}", *elsewhere],
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
        "ResourcePolicy": [
            _resource_policy(arns[0]),
            _resource_policy(arns[0]),
            "{}",
            '{"Version": "2012-10-17", "Statement": []}',
            "[",
            "1",
            "null",
        ],
        "RevisionId": [UUID],
        "PositiveInteger": [1, 1, 2],
        "ReservedConcurrentExecutions": [5, 0, 100, 901],
        "BatchSize": [1, 10, 10_000],
        "Pattern": ['{"body": [1]}', "{", "[]", '{"a": [{"prefix": ""}]}', '{"$or": [1]}'],
        "Queue": ["queue"],
        "Topic": ["topic"],
        "UUIDString": [mapping, mapping, UUID, "x"],
        "String": [
            mapping,
            mapping,
            mapping,
            UUID,
            "",
            "1",
            "first",
            "x|y",
            "a:1",
            "99999999999999999999",
        ],
        "Endpoint": ["localhost:9092"],
    }


def _resource_policy(arn: str) -> str:
    statement = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _mapping_arn(uuid: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"


def beside(made: Made) -> Mapping[str, Sequence[Any]]:
    return {
        "roleNameType": ["r", "r", "none", "made"],
        "policyNameType": ["p", "none"],
        "policyDocumentType": [TRUST, POLICY, TRUST, POLICY, "{}", "[", "null", '{"Statement": 1}'],
        "arnType": [
            ROLE,
            made.policy,
            made.policy,
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
            *(
                "",
                "a -b",
                '"a b"',
                "?a ?b",
                "%a.*b%",
                '{ $.a = "x" && $.b[0] > 1 }',
                "{ $.a IS NULL }",
            ),
            *("[a, b=1*, ...]", "{", "[", "%(%", "{ $.a = }", '"', "{ $.a = 1 || ( }", "%(a+)+$%"),
        ],
        "NextToken": ["f/0", "b/0", "x", "f/9999999999999999999999", "1"],
        "Days": [1, 7, 2, 3653],
    }


BASES: Mapping[str, Mapping[str, Any]] = {
    "CreateFunction": {
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Code": {"ZipFile": CODE},
        "FunctionName": "made",
    },
    "UpdateFunctionCode": {"ZipFile": CODE, "FunctionName": "first"},
    "UpdateFunctionConfiguration": {"FunctionName": "first", "Runtime": "python3.11"},
    "CreateEventSourceMapping": {
        "EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/other",
        "StartingPosition": "LATEST",
        "FunctionName": "second",
    },
    "CreatePolicy": {"PolicyDocument": POLICY},
    "CreatePolicyVersion": {"PolicyDocument": POLICY},
    "CreateRole": {"AssumeRolePolicyDocument": TRUST, "RoleName": "made"},
}
"""Members that requests of these operations need together to get far; most of them have these."""
