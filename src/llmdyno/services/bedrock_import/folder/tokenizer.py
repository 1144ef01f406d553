"""Checks of a folder's tokenizer, chat template and generation_config.json.

In: the files of a folder, its architecture. Out: findings; where the chat template comes from. It knows no weights.
"""

from __future__ import annotations

from typing import Any

from llmdyno.errors import InputError, one_line
from llmdyno.host.files import read_text
from llmdyno.services.bedrock_import.folder import facts
from llmdyno.services.bedrock_import.folder.files import FOLDER, Files
from llmdyno.services.bedrock_import.folder.finding import Finding, Findings, warning

CONFIG, GENERATION = "tokenizer_config.json", "generation_config.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_AGAIN = "save the tokenizer in it too"


def check_tokenizer(files: Files) -> Findings:
    """What is wrong with a folder's tokenizer files."""
    if not files.any_of("tokenizer.json", "tokenizer.model", "spiece.model"):
        yield Finding(FOLDER, "has neither tokenizer.json nor tokenizer.model", _AGAIN)
    elif "tokenizer.json" not in files:
        fits = "save the fast tokenizer too (AutoTokenizer, save_pretrained)"
        yield warning(FOLDER, "has no tokenizer.json, which the service's documents ask for", fits)
    else:
        yield from files.json_problem("tokenizer.json")
    if CONFIG not in files:
        yield Finding(FOLDER, f"has no {CONFIG}", _AGAIN)
        return
    problems = list(files.json_problem(CONFIG))
    yield from problems
    if problems or CONFIG in files.pointers:
        return
    config = files.read_json(CONFIG)
    named = config.get("tokenizer_class")
    if named is not None and named not in facts.TOKENIZERS:
        fits = "save the tokenizer as one of these: " + ", ".join(facts.TOKENIZERS[1::2])
        yield Finding(CONFIG, f"the tokenizer_class {one_line(str(named), 100)} is not supported", fits)
    if named in facts.SENTENCE_PIECE and not files.any_of("tokenizer.model", "spiece.model"):
        problem = f"has no tokenizer.model, and {named} reads one"
        yield warning(FOLDER, problem, "copy it too, if the tokenizer is a SentencePiece model")
    yield from _templates(files, config)


def check_generation(files: Files, architecture: str | None) -> Findings:
    """What is wrong with generation_config.json. GPT-OSS needs one with three end-of-sequence ids."""
    ids = ", ".join(map(str, facts.GPT_OSS_EOS))
    fits = f'write {{"eos_token_id": [{ids}]}} into it'
    if GENERATION not in files:
        if architecture == facts.GPT_OSS:
            yield Finding(FOLDER, f"has no {GENERATION}, which GPT-OSS needs", fits)
        return
    problems = list(files.json_problem(GENERATION))
    yield from problems
    if problems or GENERATION in files.pointers or architecture != facts.GPT_OSS:
        return
    found = files.read_json(GENERATION).get("eos_token_id")
    own = found if isinstance(found, list) else [found]
    absent = [str(one) for one in facts.GPT_OSS_EOS if one not in own]
    if absent:
        problem = f"eos_token_id lacks {', '.join(absent)}, so that GPT-OSS does not stop where it should"
        yield Finding(GENERATION, problem, fits)


def template_source(files: Files) -> str | None:
    """The file that the chat template comes from; None: there is none. A template file of its own comes before
    tokenizer_config.json."""
    for name in _TEMPLATES:
        if files.sizes.get(name):
            return name
    try:
        return CONFIG if CONFIG in files and files.read_json(CONFIG).get("chat_template") else None
    except InputError:
        return None


def _templates(files: Files, config: dict[str, Any]) -> Findings:
    found = template_source(files)
    if found is None:
        problem = "has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)"
        yield warning(FOLDER, problem, "add one, or Converse and chat bodies will not work on the model")
        return
    if found in files.pointers:
        return
    if found == "chat_template.json":
        problems = list(files.json_problem(found))
        yield from problems
        if not problems and not files.read_json(found).get("chat_template"):
            yield Finding(found, "has no chat_template", "write the template under that key")
    if found == "chat_template.jinja" and config.get("chat_template"):
        try:
            own = read_text(files.path / found, found, "save it again").strip()
        except InputError as error:
            yield Finding(found, error.problem, error.fits)
            return
        if own != str(config["chat_template"]).strip():
            problem = f"is another chat template than {CONFIG}'s; the service takes this one"
            yield warning(found, problem, "take out the one that is not meant")
