"""The API: a named endpoint for each verb, whose parameters are the fields of its Creation; agents see them as tools.

Beside them `create`, which takes any Creation as JSON, and `describe`, which says what there is. All of it is read from
the Creations: a new verb has its endpoint at once. ``docs/api.md`` shows how to call them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.context import Context, LocalContext

from ganhub import zoo
from ganhub.app import _parts as parts
from ganhub.app.answer import Answer, answer_of
from ganhub.app.declared import Bench
from ganhub.app.lanes import lane_of
from ganhub.app.shield import Limits, address_of
from ganhub.app.sources import digest_of, require_small, with_digests
from ganhub.creation import Creation, Edit, Evolve, Generate, Inputs, Interpolate, Project
from ganhub.creation.schema import kinds, schema_of
from ganhub.errors import ConfigError

A_PICTURE = "A picture: the path of a file that was uploaded here, or a data URL (data:image/png;base64,...)."
FILE = {
    "title": "FileData", "type": "object", "required": ["path", "url"],
    "properties": {name: {"type": "string"} for name in ("path", "url", "orig_name", "mime_type")},
}  # fmt: skip
RETURNS = (
    ("what to look at: the picture, a sheet of all, or a strip of the film", {"anyOf": [FILE, {"type": "null"}]}),
    ("all files: PNG pictures, or a film", {"type": "array", "items": FILE}),
    ("a sentence about them", {"type": "string"}),
    ("the Creation that made them, which `create` makes again", {"type": "object", "additionalProperties": {}}),
)  # fmt: skip
GIVES = f" Returns {'; '.join(text for text, _ in RETURNS)}."
WORD = 1.0  # seconds between two words on the progress


def add_endpoints(bench: Bench, limits: Limits) -> None:
    """Add the endpoints to the page that is being built; called inside of its ``gr.Blocks``, after its tabs."""
    keep_for_the_page()
    for kind in kinds().values():
        text = f"{schema_of(kind)['description']}{GIVES}"
        _add(verb_call(bench, kind, limits), parameters_of(kind, limits), RETURNS, text)
    _add(
        create_call(bench, limits),
        {
            "creation": {
                "type": "object", "additionalProperties": {},
                "description": 'A Creation: {"verb": "generate", "model": ...}; `describe` lists verbs and fields.',
            },
            "pictures": {
                "type": "array", "items": {"type": "string"}, "default": [],
                "description": f"The pictures that it names by their sha256. {A_PICTURE}",
            },
        },
        RETURNS, f"Make what a Creation asks for, whichever verb it has.{GIVES}",
    )  # fmt: skip
    answer = (
        ("verbs with the JSON schema of their fields, and models", {"type": "object", "additionalProperties": {}}),
    )
    _add(describe_call(limits), {}, answer, "What can be made here: verbs, the JSON schema of each, and models.")


def keep_for_the_page() -> None:
    """Take the listeners of the page's own buttons, which go by the page's state, out of what callers are told of.

    They can be called as before; one that has the name of a verb gets "_tab" behind it.
    """
    for listener in Context.root_block.fns.values():
        if listener.api_visibility == "public":
            listener.api_visibility = "undocumented"
            if listener.api_name in kinds():
                listener.api_name = f"{listener.api_name}_tab"


def api_schema(kind: type[Creation], limits: Limits) -> dict[str, Any]:
    """The schema of a kind of Creation as the API takes it: pictures are given, and this page's limits hold."""
    schema = schema_of(kind)
    fields = schema["properties"]
    for name in picture_fields(kind):
        text = fields[name]["description"].replace("sha256 of ", "").replace("Its sha256", "The photo to work on")
        fields[name]["description"] = f"{text} {A_PICTURE}"
    most = {"count": limits.pictures, "frames": limits.frames, "size": limits.side, "steps": limits.steps}
    for name in most.keys() & fields.keys():
        fields[name]["maximum"] = min(fields[name].get("maximum", most[name]), most[name])
        if fields[name].get("default", 0) > most[name]:
            fields[name]["default"] = most[name]
    if "size" in fields:  # 0 would leave a photo as large as it is
        fields["size"]["default"] = limits.side
    return schema


def parameters_of(kind: type[Creation], limits: Limits) -> dict[str, dict[str, Any]]:
    """The fields of :func:`api_schema` in the order of an endpoint's parameters: those that are needed first."""
    fields = api_schema(kind, limits)["properties"]
    return dict(sorted(fields.items(), key=lambda item: "default" in item[1]))


def picture_fields(kind: type[Creation]) -> set[str]:
    """Names of the fields that hold one picture."""
    return {field.name for field in dataclasses.fields(kind) if field.metadata.get("sha256")}


def verb_call(bench: Bench, kind: type[Creation], limits: Limits) -> Callable:
    """The endpoint of a verb."""
    fields, pictures = parameters_of(kind, limits), picture_fields(kind)

    async def call(request: gr.Request, *values: Any) -> tuple:
        inputs = Inputs()
        given = dict(zip(fields, values, strict=True))
        taken = await asyncio.to_thread(with_digests, given, pictures, inputs)
        return await made(bench, limits, kind.from_dict(taken), inputs, request)

    return _signed(call, kind.verb, fields)


def create_call(bench: Bench, limits: Limits) -> Callable:
    """The endpoint that takes any Creation."""

    async def call(request: gr.Request, creation: Any, pictures: Any) -> tuple:
        if not isinstance(creation, Mapping):
            raise ConfigError('creation is a table of fields, such as {"verb": "generate", "model": ...}.')
        inputs = Inputs()
        for picture in pictures if isinstance(pictures, list) else [pictures] if pictures else []:
            await asyncio.to_thread(digest_of, picture, "A picture", inputs)
        kind = kinds().get(str(creation.get("verb")))
        fields = dict(creation) if kind is None else with_digests(dict(creation), picture_fields(kind), inputs)
        return await made(bench, limits, Creation.from_dict(fields), inputs, request)

    return _signed(call, "create", {"creation": {}, "pictures": {"default": []}})


def describe_call(limits: Limits) -> Callable:
    """The endpoint that says what there is."""

    def call(request: gr.Request) -> dict[str, Any]:
        models = [
            {
                "name": entry.name, "does": entry.model_class.verb, "architecture": entry.model_class.architecture,
                "size": list(getattr(entry.config, "size", ()) or ()), "classes": entry.classes,
                "styles": list(getattr(entry.config, "style_names", ())),
            }
            for entry in zoo.entries()
        ]  # fmt: skip
        return {"verbs": {verb: api_schema(kind, limits) for verb, kind in kinds().items()}, "models": models}

    return _signed(call, "describe", {}, 1)


async def made(bench: Bench, limits: Limits, creation: Creation, inputs: Inputs, request: gr.Request | None) -> tuple:
    """Make a Creation within this page's limits, in line behind others, and tell how far it is."""
    await asyncio.to_thread(require_allowed, creation, inputs, limits)
    key, who = (uuid.uuid4().hex, creation.verb), address_of(request)  # a caller may ask for several at once
    job = bench.jobs.start(
        key, lambda report: answer_of(bench, creation, inputs, report), lane=lane_of(creation), who=who,
        files=inputs.files(),
    )  # fmt: skip
    ended, seen = asyncio.ensure_future(job.ended()), None
    try:
        while not (await asyncio.wait([ended], timeout=WORD))[0]:
            if job.progress is not seen:
                tell(seen := job.progress)
            if await is_gone(request):
                job.stop()
    finally:
        if not ended.done():  # the call was cancelled
            ended.cancel()
            job.stop()
    if job.stopped:
        raise ConfigError("The work was stopped.")
    answer: Answer = job.result()
    return answer.look, answer.files, answer.text, creation.to_dict()


async def is_gone(request: Any) -> bool:
    """Whether nobody waits for the answer any more."""
    blocks, name = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if name is not None:  # of a call in the queue, whose own request has ended long ago
        event = blocks._queue.event_ids_to_events.get(name)
        return event is not None and not event.alive
    inner = getattr(request, "request", request)
    return await inner.is_disconnected() if hasattr(inner, "is_disconnected") else False


def tell(progress: Any) -> None:
    """Tell a caller who listens to the queue how far the work is, or how many stand before it."""
    if progress is None:
        return
    if progress.ahead is not None:
        gr.Progress()(None, desc=f"{progress.ahead + 1} in line")
    elif progress.steps:
        gr.Progress()((min(progress.step, progress.steps), progress.steps))


def require_allowed(creation: Creation, inputs: Inputs, limits: Limits) -> None:
    """Refuse what is more than this page makes for one caller."""
    if isinstance(creation, Generate) and (count := len(creation.labels or (0,)) * creation.count) > limits.pictures:
        raise ConfigError(f"Ask for {limits.pictures} pictures at most, not {count}.")
    if isinstance(creation, Interpolate):
        if creation.frames > limits.frames:
            raise ConfigError(f"frames must be at most {limits.frames} here, not {creation.frames}.")
        entry = zoo.entry_of(creation.model)
        height, width = getattr(entry.config, "size", (1, 1)) if entry else (2048, 2048)
        if (pixels := height * width) * creation.frames > limits.film:
            raise ConfigError(f"{creation.frames} frames of this size do not fit: ask for {limits.film // pixels}.")
    descends = isinstance(creation, Project) or isinstance(creation, Edit) and creation.projects
    if descends and creation.steps > limits.steps:
        raise ConfigError(f"steps must be at most {limits.steps} here, not {creation.steps}.")
    if isinstance(creation, Project) and creation.network != "vgg-lite":  # the others would be fetched
        raise ConfigError("network must be vgg-lite here: it comes with ganhub.")
    if isinstance(creation, Evolve) and (count := creation.generations * creation.population) > limits.searched:
        raise ConfigError(f"Ask for at most {limits.searched} pictures (generations x population) here, not {count}.")
    for digest, name in creation.digests().items():
        inputs.find(digest, name)
    require_small(creation, inputs, limits.side)


def _add(call: Callable, fields: Mapping[str, Mapping], returns: Sequence[tuple[str, Mapping]], text: str) -> None:
    """Register an endpoint, and give its parameters and results the schemas that are told to callers."""
    listener = gr.api(
        parts.calm(call), api_name=call.__name__, api_description=text, queue=False, concurrency_limit=None
    )
    event = Context.root_block.fns[listener["id"]]
    for component, (name, schema) in zip(event.inputs, fields.items(), strict=True):
        component.label = name
        component._api_info = {**schema, "additional_description": schema["description"]}
    for component, (name, schema) in zip(event.outputs, returns, strict=True):
        component.label, component._api_info = name, {**schema, "description": name}


def _signed(call: Callable, name: str, fields: Mapping[str, Mapping], returns: int = len(RETURNS)) -> Callable:
    """Give an endpoint the signature and the docstring that Gradio reads its parameters from."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("request", positional, annotation=gr.Request)]
    parameters += [
        inspect.Parameter(field, positional, annotation=Any, default=schema.get("default", inspect.Parameter.empty))
        for field, schema in fields.items()
    ]
    call.__name__ = call.__qualname__ = name
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    call.__signature__ = inspect.Signature(parameters, return_annotation=tuple[(Any,) * returns])
    lines = [f"    {field}: {schema.get('description', '')}" for field, schema in fields.items()]
    call.__doc__ = "\n".join([f"{name}.", "", "Args:", *lines])
    return call
