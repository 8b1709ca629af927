"""compose.yaml is valid, and speaks of commands and settings that exist."""

import json
from importlib.resources import files

import jsonschema
import pytest
import yaml
from pydantic.aliases import AliasChoices

from tests.architecture.syntax import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
COMMANDS = {name: service["command"] for name, service in SERVICES.items() if "command" in service}


def test_it_follows_the_published_schema():
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(COMPOSE, schema)


def test_what_it_depends_on_exists():
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("service", sorted(COMMANDS))
def test_the_command_exists(service):
    from typer.main import get_command

    from gateway.cli import app

    program, name, *arguments = COMMANDS[service]
    assert program == "gateway"
    command = get_command(app).commands.get(name)
    assert command is not None, f"there is no `gateway {name}`"
    with command.make_context(name, list(arguments)):  # parses the options without running anything
        pass


def test_the_settings_exist():
    from gateway.settings import Settings

    used = {
        name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith("GATEWAY_")
    }
    known = variables(Settings)
    assert used
    assert not used - known, f"gateway.settings knows no such variable; it knows {sorted(known)}"


def variables(settings) -> set[str]:
    """The environment variables that a pydantic-settings class reads."""
    prefix = settings.model_config.get("env_prefix", "")
    found = set()
    for name, field in settings.model_fields.items():
        alias = field.validation_alias or field.alias
        if alias is None:
            found.add(f"{prefix}{name}".upper())
        elif isinstance(alias, AliasChoices):
            found |= {str(choice).upper() for choice in alias.choices}
        else:
            found.add(str(alias).upper())
    return found
