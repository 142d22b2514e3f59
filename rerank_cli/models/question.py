"""What a reranker that answers yes or no is asked, and where its answer is read: by its files and by options.

A prompt is found by the model's id on the hub, or chosen with --prompt. A model of this kind without one is refused:
scores of a wrong prompt look like scores.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.printable import is_unicode
from rerank_cli.models.config_json import FETCH_AGAIN, architecture_of, has_head, is_generator, refuse_no_head
from rerank_cli.models.declared import LENGTHS, SETTINGS, YES_NO, Declaration
from rerank_cli.models.encoding import longest_of
from rerank_cli.models.families import WHAT_RUNS
from rerank_cli.models.head import refuse_other_settings
from rerank_cli.models.prompts import FORM, Prompt, known_prompts, prompt_named, prompt_of_model

ENGINE = "yes-no"
ADVICE = "Those score with --engine yes-no or auto. They cannot be exported or trained."
DECODERS = ("gemma", "llama", "mistral", "qwen2", "qwen3")  # whose last hidden state gives the logits, unscaled


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt with its instruction, and the ids of the answers if the model's files state them.

    `instruction` is None for that of the prompt. `converted`: the model is a sequence classifier that was made of a
    language model, and its head is the answer.
    """

    prompt: Prompt
    instruction: str | None = None
    yes: int | None = None
    no: int | None = None
    longest: int | None = None
    converted: bool = False


def question_of(path: Path, config: dict[str, Any], declaration: Declaration, options: ModelConfig) -> Question | None:
    """The question for the model in a folder; None for a model of another kind.

    Raises ModelError for a model without a known prompt, ConfigError for options that do not suit it.
    """
    prompt = _of_the_hub(options.model) if options.prompt is None else prompt_named(options.prompt)
    converted = has_head(config) and declaration.types in ((), ("Transformer",)) and _is_decoder(config)
    if declaration.kind != YES_NO and not converted:
        refuse_question(options)
        if prompt is not None:
            raise ModelError(f"{path}: its files are those of a {declaration.kind}", "Fetch the model's files again.")
        return None
    what = "a classifier made of a language model" if converted else f"a {YES_NO}"
    if options.engine not in ("auto", ENGINE):
        raise ConfigError(f"--engine {options.engine}: {options.model} is {what}", ADVICE)
    _refuse_architecture(path, config)
    if prompt is None:
        raise ModelError(f"{path}: {what}, and its prompt is not known", advice_on_prompt(options.model))
    if options.label is not None:
        raise ConfigError(f"--label {options.label}: a {YES_NO} has no labels", "Leave --label out.")
    instruction = _instruction(path, prompt, declaration, options)
    module, transformer = declaration.module("LogitScore"), declaration.module("Transformer")
    longest = None if transformer is None else longest_of(path / LENGTHS, transformer.settings)
    if converted:
        refuse_no_head(path / "config.json", config)
        return Question(prompt, instruction, longest=longest, converted=True)
    if prompt.yes is None:
        raise ConfigError(f"--prompt {prompt.name}: no answer `yes`, which a {YES_NO} needs", FORM)
    if module is None or transformer is None:
        return Question(prompt, instruction)
    refuse_other_settings(module.folder / "config.json", "LogitScore", module.settings)
    refuse_other_settings(path / LENGTHS, "Generator", transformer.settings)
    yes, no = (module.settings.get(f"{name}_token_id") for name in ("true", "false"))
    if type(yes) is not int or type(no) not in (int, type(None)):
        raise ModelError(f"{module.folder / 'config.json'}: no ids of the answers", "Fetch the model's files again.")
    return Question(prompt, instruction, yes, no, longest)


def _of_the_hub(name: str) -> Prompt | None:
    """The prompt of a model by its id on the hub. The name of a folder says nothing."""
    return None if os.path.isdir(name) else prompt_of_model(name)


def _is_decoder(config: dict[str, Any]) -> bool:
    return config.get("model_type") in DECODERS


def advice_on_prompt(name: str) -> str:
    """What to do for a model whose prompt is not known by its id."""
    last = name.rstrip("/").rpartition("/")[2].lower()
    names = {model.rpartition("/")[2].lower(): prompt for prompt in known_prompts().values() for model in prompt.models}
    if last in names:
        return f"By its name it needs --prompt {names[last].name}: add that if it is that model."
    return f"Add --prompt with the prompt that it was trained with: {', '.join(known_prompts())}, or a JSON file."


def refuse_question(options: ModelConfig) -> None:
    """Raises ConfigError for options that a model of another kind has no use for."""
    for option, value in (("prompt", options.prompt), ("instruction", options.instruction)):
        if value is not None:
            raise ConfigError(
                f"--{option} {value[:60]}: only a {YES_NO} has one",
                "Leave it out. --query-template puts words before a query, for any model.",
            )


def _refuse_architecture(path: Path, config: dict[str, Any]) -> None:
    """Raises ModelError for a language model whose logits may be scaled, or that is not tested."""
    if not _is_decoder(config):
        raise ModelError(
            f"{path / 'config.json'}: a {YES_NO} of the architecture "
            f"{str(config.get('model_type', architecture_of(config)))[:40]!r}, "
            "which is not tested",
            f"The language models that run are {', '.join(DECODERS)}.",
        )
    if not (has_head(config) or is_generator(config)):
        raise ModelError(
            f"{path / 'config.json'}: {architecture_of(config)[:60]} has no output that gives a score", FETCH_AGAIN
        )
    if config.get("is_causal") is False:
        raise ModelError(
            f"{path / 'config.json'}: is_causal: false: attention to later tokens is not computed", WHAT_RUNS
        )


def _instruction(path: Path, prompt: Prompt, declaration: Declaration, options: ModelConfig) -> str | None:
    """The instruction that is not the prompt's own: from the option, or from the prompts of sentence-transformers."""
    if options.instruction is not None:
        if not options.instruction.strip() or not is_unicode(options.instruction):
            raise ConfigError(
                "--instruction is empty or no valid UTF-8", "Write an instruction, or leave the option out."
            )
        if not prompt.takes_instruction:
            raise ConfigError(f"--instruction: the prompt {prompt.name} has no place for one", "Leave it out.")
        found = options.instruction
    else:
        name, texts = declaration.settings.get("default_prompt_name"), declaration.settings.get("prompts")
        if name is None:
            return None
        declared = texts.get(name) if isinstance(texts, dict) and isinstance(name, str) else None
        if not isinstance(declared, str) or not prompt.takes_instruction:
            raise ModelError(
                f"{path / SETTINGS}: default_prompt_name {str(name)[:40]!r} has no place in the prompt {prompt.name}",
                "Choose another --prompt, or remove the key.",
            )
        found = declared
    return None if found == prompt.instruction else found
