"""`breakeven serving models` as a person types it and reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from breakeven.cli.main import main
from breakeven.serving.architecture import architectures
from breakeven.serving.architecture.shipped import from_text


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serving", "models", *arguments]) == 0
    return capsys.readouterr().out


def test_all_models_on_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(capsys, "--json"))["rows"]
    assert [row["model"] for row in rows] == [model.name for model in architectures()]
    found = {row["model"]: row for row in rows}
    assert found["gpt-oss-120b"]["attention"] == "18 sliding window + 18 full"
    assert float(found["qwen3.5-397b-a17b"]["kv_per_token"]) == 30
    assert found["llama-3.1-8b"]["experts"] is None


def test_one_in_detail_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    english, chinese = (
        said(capsys, "deepseek-ai/DeepSeek-R1", "--lang", language) for language in ("en", "zh")
    )
    for text in (english, chinese):
        assert "673.15" in text
        assert "arXiv 2412.19437" in text
    assert "routed experts" in english
    assert "路由专家" in chinese
    assert "R1 架构相同" in chinese


def test_parts_of_the_detail_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(said(capsys, "kimi-k2.5", "--json"))["rows"]
    *parts, total = [row for row in rows if row["table"] == "parts"]
    for key in ("parameters", "weights", "share"):
        assert sum(float(part[key]) for part in parts) == pytest.approx(float(total[key]), rel=1e-3)


def test_a_config_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "vocab_size": 1_000,
    }
    path.write_text(json.dumps(config))
    assert "full attention" in said(capsys, str(path))


def test_the_spec_it_writes_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert from_text(said(capsys, "--spec"), "spec.yaml").layers == 32


def test_an_unknown_model_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serving", "models", "deepseek-v9"]) == 2
    assert "did you mean deepseek-v" in capsys.readouterr().err
