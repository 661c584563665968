"""``table.key=value`` on the command line: what wants text takes it as it was typed."""

from __future__ import annotations

import pytest

from ganhub.cli._inputs import data_config, split_overrides
from ganhub.config import apply_override
from ganhub.errors import ConfigError
from ganhub.trainer.recipe import TABLES, make_recipe

AS_TYPED = ["2024", "2024-05-01", "07:30:00", "true", "1e3", "007", "nan", "[1, 2]", "{a = 1}", "0x1F", "a=b", "é"]


@pytest.mark.parametrize("text", AS_TYPED)
@pytest.mark.parametrize("key", ["data.path", "data.only", "data.other.path", "train.init", "train.dataset"])
def test_text_stays_as_it_was_typed(key, text):
    tables = {"data": {"path": "x"}}
    apply_override(tables, f"{key}={text}", TABLES)
    recipe = make_recipe({**tables, "data": {"path": "x", **tables["data"]}})
    table, _, name = key.partition(".")
    found = getattr(recipe, table).to_dict()
    for part in name.split("."):
        found = found[part]
    assert found == text


def test_quotes_are_those_of_toml_and_numbers_stay_numbers():
    config = data_config("x", ['data.labels="2024"', "data.only='a b'", "data.zoom=1.5", "data.crop=random",
                               "data.flip=true", "data.limit=1_000", "data.background=#102030"])  # fmt: skip
    assert (config.labels, config.only, config.zoom, config.flip) == ("2024", "a b", 1.5, True)
    assert (config.limit, config.background) == (1000, "#102030")


def test_a_value_holds_no_table():
    with pytest.raises(ConfigError, match="data.path holds a value of its own, no table"):
        data_config("x", ["data.path.more=1"])


def test_overrides_of_inner_tables_are_no_place_with_pictures():
    inner = "data.other.path=other.npz"
    assert split_overrides(["pictures", "data.flip=true", inner]) == (["pictures"], ["data.flip=true", inner])
