"""The models that ship: a YAML file each, with the fields of its config.json, their source and date."""

from __future__ import annotations

import json
import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import cast

import yaml

from breakeven.errors import InputError, UsageError
from breakeven.serving.architecture.fields import Fields, mapping_of
from breakeven.serving.architecture.hugging_face import from_hugging_face
from breakeven.serving.architecture.model import Architecture, Note, Published
from breakeven.serving.architecture.precision import PRECISIONS, Precision
from breakeven.serving.architecture.short_spec import from_short_spec, is_short_spec
from breakeven.serving.architecture.storage import PARTS, Part, Storage

MOST_BYTES = 2_000_000
"""A description of a model is a few kilobytes; a larger file is another one, such as the weights."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def architecture(name: str) -> Architecture:
    """A model that ships, by its name or an alias such as its path on Hugging Face; case does not matter.

    Raises `UsageError` for a name that is not known, with the nearest ones.

    >>> architecture("deepseek-ai/DeepSeek-R1").name
    'deepseek-v3'
    """
    files_by_name = _names()
    found = files_by_name.get(name.strip().lower())
    if found is None:
        near = get_close_matches(name.lower(), list(files_by_name), n=3, cutoff=0.5)
        raise UsageError(
            f"there is no model {name!r}",
            remedy=(f"did you mean {', '.join(near)}? Else " if near else "")
            + "`breakeven serving models` lists all; a config.json or a short spec of your own also serves",
        )
    return _shipped(found)


def architectures() -> tuple[Architecture, ...]:
    """All models that ship, by name."""
    return tuple(_shipped(name) for name in sorted(set(_names().values())))


def read_architecture(name_or_path: str | Path) -> Architecture:
    """A model by the name of one that ships, or from a file: config.json, its folder, or a short spec.

    Raises `UsageError` for an unknown name and `InputError` for a file that cannot be used.
    """
    text = str(name_or_path)
    if text.strip().lower() in _names():
        return architecture(text)
    path = Path(text)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix.lower() in (".json", ".yaml", ".yml") or path.is_file():
        return read_file(path)
    return architecture(text)


def read_file(path: Path) -> Architecture:
    """A model from a file. Raises `InputError`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(
                "this is too large to describe a model",
                where=str(path),
                cause="these are the weights, not their config.json",
                remedy="name the config.json beside them",
            )
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError("there is no such file", where=str(path), remedy="check the path") from error
    except OSError as error:
        raise InputError(
            "this file cannot be read", where=str(path), cause=str(error.strerror), remedy="check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            "this is not text", where=str(path), remedy="name a config.json or a short spec in YAML"
        ) from error
    name = path.stem if path.stem != "config" else path.parent.name
    spec = _loaded(text, str(path))
    beside = path.with_name("hf_quant_config.json")
    if "quantization_config" not in spec and "config" not in spec and beside.is_file():
        # Rationale: NVIDIA's checkpoints say beside config.json how weights are stored.
        quantization = _loaded(beside.read_text("utf-8", errors="replace"), str(beside)).get("quantization")
        spec = {**spec, "quantization_config": quantization}
    return from_spec(spec, str(path), name)


def from_text(text: str, where: str, name: str = "") -> Architecture:
    """A model from the text of a config.json or a spec. Raises `InputError`."""
    return from_spec(_loaded(text, where), where, name)


def _loaded(text: str, where: str) -> Mapping[str, object]:
    try:
        # Rationale: YAML reads most JSON, but slowly, and not tabs. The C loader crashes on deep nesting.
        loaded = _json(text, where) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        place = getattr(error, "lineno", None)
        mark = getattr(error, "problem_mark", None)
        line = place if place is not None else (None if mark is None else mark.line + 1)
        raise InputError(
            "this is neither JSON nor YAML",
            where=where if line is None else f"{where}:{line}",
            cause="the file was cut short, or is a page that was saved instead of the file",
            remedy="download config.json again, or write a short spec",
        ) from error
    return mapping_of(loaded, where)


def _json(text: str, where: str) -> object:
    """JSON in which no object names a field twice: readers disagree on which of the two counts."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
            raise InputError(
                f"the key {reprlib.repr(twice)} appears twice",
                where=where,
                cause="the file was edited, or put together from two",
                remedy="leave one of them",
            )
        return fields

    return json.loads(text, object_pairs_hook=once)


def from_spec(spec: Mapping[str, object], where: str, name: str = "") -> Architecture:
    """A model from a spec: `config` with the fields of a config.json, a short spec, or a config.json itself.

    Raises `InputError`.
    """
    fields = Fields(spec, where)
    known = fields.text("name") or name
    if fields.has("config"):
        model = from_hugging_face(fields.values["config"], known, f"{where}: config")
    elif is_short_spec(fields):
        model = from_short_spec(fields, known)
    else:
        return from_hugging_face(spec, known, where)
    model = replace(
        model,
        name=known,
        aliases=fields.texts("aliases"),
        source=fields.text("source") or where,
        as_of=str(fields.first("as_of") or ""),
        published=_published(fields),
        notes=_notes(fields),
        # What ships was compared with the checkpoint.
        assumed=model.assumed if not fields.has("source") else (),
    )
    known_storages = _checkpoints(fields)
    return replace(
        model, native=known_storages.get(model.native_precision, model.native), checkpoints=known_storages
    )


def _notes(fields: Fields) -> tuple[Note, ...]:
    """Notes in both languages, or in the one they are written in."""
    found: list[Note] = []
    for at, one in enumerate(fields.entries("notes"), 1):
        if isinstance(one, str):
            found.append(Note(one, one))
            continue
        place = f"{fields.where}: notes[{at}]"
        said = Fields(mapping_of(one, place), place)
        found.append(Note(said.text("en"), said.text("zh", said.text("en"))))
    return tuple(found)


def _published(fields: Fields) -> Published | None:
    if not fields.has("published"):
        return None
    said = fields.inside("published")
    active = said.number("active_parameters") if said.has("active_parameters") else None
    return Published(said.number("total_parameters"), active, said.text("source"))


def _checkpoints(fields: Fields) -> dict[Precision, Storage]:
    """What each precision's checkpoint keeps in bf16, where the spec says so."""
    said = fields.inside("checkpoints")
    found: dict[Precision, Storage] = {}
    for key in said.values:
        if key not in PRECISIONS:
            said.refuse_value("checkpoints", key, f"use one of {', '.join(PRECISIONS)}")
        one = said.inside(key)
        kept = one.texts("kept")
        for part in kept:
            if part not in PARTS:
                one.refuse_value("kept", part, f"use some of {', '.join(PARTS)}")
        size = one.number("bytes_per_weight") if one.has("bytes_per_weight") else None
        found[key] = Storage(key, frozenset(cast("tuple[Part, ...]", kept)), size)
    return found


def _folder() -> Path:
    return Path(str(files("breakeven.serving.architecture"))) / "specs"


@cache
def _names() -> Mapping[str, str]:
    """Every name and alias in small letters, with the file's name."""
    found: dict[str, str] = {}
    for path in sorted(_folder().glob("*.yaml")):
        found[path.stem] = path.stem
        for alias in Fields(_spec(path.stem), path.name).texts("aliases"):
            found[alias.lower()] = path.stem
    return found


@cache
def _spec(stem: str) -> Mapping[str, object]:
    path = _folder() / f"{stem}.yaml"
    return mapping_of(yaml.load(path.read_text("utf-8"), Loader=_LOADER), path.name)  # noqa: S506 - a safe loader


@cache
def _shipped(stem: str) -> Architecture:
    return from_spec(_spec(stem), f"{stem}.yaml", stem)
