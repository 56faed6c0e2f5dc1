"""Parameters of Rust notebooks for papermill: `let name = value;` in the cell with the tag `parameters`."""

import math
import re

from papermill.engines import NBClientEngine
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

LET = re.compile(
    r"^let\s+(?:mut\s+)?(?P<name>\w+)\s*(?::\s*(?P<type>[^=]+?))?\s*=\s*(?P<value>.+?);\s*(?://\s*(?P<help>.*))?$",
    re.MULTILINE,
)


class RustTranslator(Translator):
    """Values as Rust literals."""

    @classmethod
    def translate_str(cls, val):
        escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
        return '"' + "".join(escapes.get(letter, letter) for letter in val) + '"'

    @classmethod
    def translate_bool(cls, val):
        return "true" if val else "false"

    @classmethod
    def translate_float(cls, val):
        if math.isfinite(val):
            return repr(float(val))
        return "f64::NAN" if math.isnan(val) else "f64::INFINITY" if val > 0 else "f64::NEG_INFINITY"

    @classmethod
    def translate_none(cls, val):
        raise ValueError("Rust has no value for None: leave the parameter out, so that the notebook's own value holds")

    @classmethod
    def translate_list(cls, val):
        return f"vec![{', '.join(cls.translate(item) for item in val)}]"

    @classmethod
    def translate_dict(cls, val):
        pairs = ", ".join(f"({cls.translate(str(key))}, {cls.translate(item)})" for key, item in val.items())
        return f"std::collections::BTreeMap::from([{pairs}])"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".rstrip()

    @classmethod
    def assign(cls, name, str_val):
        return f"let {name} = {str_val};"

    @classmethod
    def inspect(cls, parameters_cell):
        return [
            Parameter(
                name=found["name"],
                inferred_type_name=str(found["type"]),
                default=found["value"],
                help=found["help"] or "",
            )
            for found in LET.finditer(parameters_cell["source"])
        ]


papermill_translators.register("rust", RustTranslator)


class Engine(NBClientEngine):
    """Papermill's own engine; `--engine patchbay` is not needed."""
