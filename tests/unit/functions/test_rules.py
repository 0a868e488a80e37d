"""The rules of functions, each by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InvalidParameterValue, PreconditionFailed
from lamella.functions import rules
from lamella.functions.ended import CREATION_BLOCKED, has_ended
from lamella.layers.packages import S3Object
from tests.unit.functions.works import A_CODE, a_function, request

NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{1,30}", fullmatch=True)


def refused(check: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidParameterValue) as caught:
        check(*arguments)
    return caught.value.message


class TestPackage:
    @pytest.mark.parametrize("member", ["Runtime", "Handler"])
    def test_a_zip_needs_runtime_and_handler(self, member: str) -> None:
        sent = request()
        del sent[member]
        assert refused(rules.check_package, sent) == (
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )

    @pytest.mark.parametrize(
        "sent",
        [request(PackageType="Image"), request(Code={"ImageUri": "1.dkr.ecr/x"})],
        ids=["package type", "image"],
    )
    def test_an_image_is_refused_with_what_to_do_instead(self, sent: dict[str, Any]) -> None:
        message = refused(rules.check_package, sent)
        assert "PackageType Image is not supported" in message
        assert "zip" in message

    def test_a_zip_passes_named_or_not(self) -> None:
        rules.check_package(request())
        rules.check_package(request(PackageType="Zip"))


class TestRuntime:
    @pytest.mark.parametrize("runtime", sorted(filter(has_ended, CREATION_BLOCKED)))
    def test_one_that_aws_has_ended_is_refused(self, runtime: str) -> None:
        assert refused(rules.check_runtime, runtime) == (
            f"The runtime parameter of {runtime} is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions."
        )

    @pytest.mark.parametrize("runtime", ["python3.8", "nodejs22.x", "provided.al2023", None])
    def test_others_pass(self, runtime: str | None) -> None:
        rules.check_runtime(runtime)


class TestEnvironment:
    @pytest.mark.parametrize("name", sorted(rules.RESERVED_NAMES))
    def test_a_reserved_name_is_refused(self, name: str) -> None:
        assert refused(rules.check_environment, {"MINE": "1", name: "x"}) == (
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {name}"
        )

    def test_reserved_names_are_told_together(self) -> None:
        message = refused(rules.check_environment, {"AWS_REGION": "x", "_HANDLER": "y"})
        assert message.endswith("Reserved keys used in this request: AWS_REGION, _HANDLER")

    @pytest.mark.parametrize(
        "name", ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "LANG", "TZ"]
    )
    def test_what_aws_lets_a_user_set_passes(self, name: str) -> None:
        rules.check_environment({name: "x"})

    def test_nothing_at_all_passes(self) -> None:
        rules.check_environment(None)
        rules.check_environment({})

    def test_4_kb_as_json_pass_and_a_byte_more_does_not(self) -> None:
        around = len('{"K":""}')
        rules.check_environment({"K": "v" * (4096 - around)})
        value = "v" * (4097 - around)
        assert refused(rules.check_environment, {"K": value}) == (
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. String measured: "
            f'{{"K":"{value}"}}'
        )

    @given(
        st.dictionaries(
            NAMES,
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=400),
            max_size=20,
        )
    )
    def test_the_limit_is_the_length_of_the_json(self, variables: dict[str, str]) -> None:
        free = {key: value for key, value in variables.items() if key not in rules.RESERVED_NAMES}
        fits = len(orjson.dumps(free)) <= 4096
        if fits:
            rules.check_environment(free)
        else:
            assert "exceeded the 4KB limit" in refused(rules.check_environment, free)


class TestServed:
    def test_members_that_nothing_fulfils_are_refused_together(self) -> None:
        sent = {"FileSystemConfigs": [{"Arn": "a"}], "TenancyConfig": {"TenantIsolationMode": "x"}}
        message = refused(rules.check_served, sent)
        assert "FileSystemConfigs is not supported: " in message
        assert "TenancyConfig is not supported: " in message

    @pytest.mark.parametrize("member", sorted(rules.NOT_SERVED))
    def test_each_says_why(self, member: str) -> None:
        assert refused(rules.check_served, {member: {"some": "thing"}}) == (
            f"{member} is not supported: {rules.NOT_SERVED[member]}."
        )

    @pytest.mark.parametrize("member", sorted(rules.NOT_SERVED))
    def test_an_empty_one_asks_for_nothing(self, member: str) -> None:
        rules.check_served({member: {}})
        rules.check_served({member: None})

    def test_snap_start_is_for_the_runtimes_that_have_it(self) -> None:
        with_it = a_function(runtime="python3.13", snap_start="PublishedVersions")
        rules.check_function(with_it)
        rules.check_function(a_function(runtime="python3.11", snap_start="None"))
        without = a_function(runtime="python3.11", snap_start="PublishedVersions")
        assert refused(rules.check_function, without) == (
            "python3.11 is not supported for SnapStart enabled functions."
        )

    def test_snap_start_leaves_no_more_storage_than_the_least(self) -> None:
        with_it = a_function(runtime="python3.13", snap_start="PublishedVersions")
        rules.check_function(replace(with_it, ephemeral_storage=512))
        assert refused(rules.check_function, replace(with_it, ephemeral_storage=513)) == (
            "Ephemeral storage of more than 512 MB is not supported for SnapStart enabled functions."
        )

    def test_levels_of_the_log_are_for_json(self) -> None:
        rules.check_log_levels({"ApplicationLogLevel": "DEBUG"}, "JSON")
        rules.check_log_levels({}, "Text")
        assert refused(rules.check_log_levels, {"SystemLogLevel": "WARN"}, "Text") == (
            'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your '
            'request or change the LogFormat to "JSON" and try again.'
        )


class TestCodeSource:
    def test_a_zip_in_the_request(self) -> None:
        assert rules.code_source({"ZipFile": A_CODE}) == A_CODE

    def test_an_object_of_s3(self) -> None:
        assert rules.code_source({"S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "v"}) == (
            S3Object("b", "k", "v")
        )

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ({}, "Please provide a source for function code."),
            ({"S3Bucket": "b"}, "Please provide both S3Bucket and S3Key."),
            ({"S3Key": "k"}, "Please provide both S3Bucket and S3Key."),
            (
                {"ZipFile": A_CODE, "S3Bucket": "b"},
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            ),
            (
                {"S3Bucket": "b", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"},
                "S3ObjectStorageMode REFERENCE is not supported: zips are always copied.",
            ),
        ],
        ids=["none", "no key", "no bucket", "two", "reference"],
    )
    def test_what_is_refused(self, code: dict[str, Any], message: str) -> None:
        assert refused(rules.code_source, code) == message

    def test_an_image_for_a_function_of_a_zip(self) -> None:
        assert refused(rules.new_code_source, {"ImageUri": "1.dkr.ecr/x"}) == (
            "Please don't provide ImageUri when updating a function with packageType Zip."
        )


class TestRevision:
    def test_none_and_the_current_one_pass(self) -> None:
        rules.check_revision(None, "r")
        rules.check_revision("r", "r")

    def test_another_does_not(self) -> None:
        with pytest.raises(PreconditionFailed) as caught:
            rules.check_revision("old", "r")
        assert caught.value.status == 412
        assert caught.value.message == (
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )


def test_a_nul_is_refused_in_variables_and_handlers() -> None:
    with pytest.raises(InvalidParameterValue, match=r"NUL character.* Variables: BAD"):
        rules.check_environment({"GOOD": "x", "BAD": "x\0--ro-bind\0/\0/tmp"})
    with pytest.raises(InvalidParameterValue, match="Handler contains a NUL"):
        rules.check_configuration({"Handler": "app\0.handler"})
