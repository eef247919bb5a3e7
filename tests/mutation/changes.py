"""The changes that make a mutant: one line of a file, before and after.

Text in comments, strings, annotations and messages of exceptions is never changed.
"""

import ast
import hashlib
import io
import keyword
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

OPERATORS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "//": "*", "%": "//", "**": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
    "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "*=": "+=", "/=": "*=", "<<": ">>", ">>": "<<",
    "&": "|", "|": "&", "^": "|",
}  # fmt: skip
NAMES = {
    "true": "false", "false": "true", "True": "False", "False": "True", "and": "or", "or": "and", "is": "is not",
    "min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum", "break": "continue",
    "continue": "break", "begin": "end", "end": "begin", "rows": "columns", "columns": "rows", "rs": "cs", "cs": "rs",
}  # fmt: skip
# In C++ a name is changed after one of these characters only: members and the standard library's functions.
CPP_NAMES = re.compile(
    r"(?<=::)(?:min|max)\b|(?<=[.>])(?:begin|end|rows|columns|rs|cs)\b(?!\()|(?<=_)(?:rs|cs)\b|\b(?:true|false)\b"
)
CPP_OPERATORS = re.compile(r"(?<= )(?:\+=|-=|\*=|/=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&|^])(?= )")
CPP_NUMBER = re.compile(r"(?<![\w.])(?<!e-)(\d+)(\.\d{1,4})?(?![\w.])")
CPP_MINUS = re.compile(r"(?<=[(,=?:] |.[(\[{])-(?=[\w(])")
CPP_STATEMENT = re.compile(r"^\s*[\w.:>\[\]*-]+(\(.*\)|\[.*\])?( [-+*/|&]?= .*|\(.*\)|\+\+|--);$")
CPP_CONDITION = re.compile(r"\b(if|while) \(")
CPP_RAW = re.compile(r'R"\(.*?\)"', re.DOTALL)
CPP_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'|//.*')


@dataclass(frozen=True)
class Change:
    """One change of one line; `line` is its number from 0, `nth` tells equal changes of equal lines apart."""

    path: str
    line: int
    before: str
    after: str
    nth: int = 0

    @property
    def key(self):
        """What the change is, wherever its line stands."""
        return f"{self.path}: {self.before.strip()}  ->  {self.after.strip() or '(removed)'}"

    def order(self, seed):
        """Place in a seed's order. A change elsewhere in the code does not move it."""
        return hashlib.sha256(f"{seed} {self.nth} {self.key}".encode()).digest()


def _replaced(line, start, end, new):
    return line[:start] + new + line[end:]


def _closing(line, opening):
    """Index of the parenthesis that closes the one at `opening`; -1 if it is on another line."""
    depth = 0
    for i in range(opening, len(line)):
        depth += (line[i] == "(") - (line[i] == ")")
        if depth == 0:
            return i
    return -1


def _cpp(text):
    """(line number, changed line) of a C++ file."""
    shown = CPP_RAW.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for number, (line, code) in enumerate(zip(text.splitlines(), shown.splitlines(), strict=True)):
        code = CPP_TEXT.sub(lambda match: " " * len(match[0]), code)
        if line.strip().startswith(("#", "template", "static_assert", "namespace", "using ")):
            continue
        for match in CPP_OPERATORS.finditer(code):
            new = "/" if match[0] == "%" else OPERATORS[match[0]]
            yield number, _replaced(line, *match.span(), new)
        for match in CPP_NAMES.finditer(code):
            yield number, _replaced(line, *match.span(), NAMES[match[0]])
        for match in CPP_NUMBER.finditer(code):
            yield number, _replaced(line, *match.span(1), str(int(match[1]) + 1))
        for match in CPP_MINUS.finditer(code):
            yield number, _replaced(line, *match.span(), "")
        for match in CPP_CONDITION.finditer(code):
            end = _closing(code, match.end() - 1)
            if (
                end > 0
                and ";" not in code[match.end() : end]
                and " = " not in code[match.end() : end]
            ):
                yield number, _replaced(line, match.end(), end, f"!({line[match.end() : end]})")
        if CPP_STATEMENT.match(code.rstrip()) and not re.search("return|= (delete|default);", code):
            yield number, ""


def _spans(tree):
    """Ranges ((line, column), (line, column)) in which a Python file is not changed: annotations, messages, imports."""
    for node in ast.walk(tree):
        nodes = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        nodes += getattr(node, "decorator_list", [])
        if isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            nodes.append(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            nodes.append(node)
        for part in filter(None, nodes):
            yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def _statements(tree):
    """(line number, node) of the one-line statements whose removal leaves a program: calls, stores to what exists."""
    for node in ast.walk(tree):
        call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        store = isinstance(node, ast.Assign) and isinstance(
            node.targets[0], ast.Attribute | ast.Subscript
        )
        if (call or store or isinstance(node, ast.AugAssign)) and node.lineno == node.end_lineno:
            yield node


def _conditions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            test = node.test
            if test.lineno == test.end_lineno:
                yield test


def _python_token(token, before, after):
    """The new text of a token, or None."""
    text = token.string
    operand = before is not None and (
        before.type in (tokenize.NUMBER, tokenize.STRING)
        or (before.type == tokenize.NAME and not keyword.iskeyword(before.string))
        or before.string in (")", "]", "}")
    )
    if token.type == tokenize.OP and text in OPERATORS:
        return OPERATORS[text] if operand else "" if text == "-" else None
    if token.type == tokenize.NUMBER:
        return repr(ast.literal_eval(text) + 1)
    if token.type != tokenize.NAME or text not in NAMES or text in ("begin", "end", "rs", "cs"):
        return "" if text == "not" and token.type == tokenize.NAME else None
    if text in ("rows", "columns") or (text == "is" and after.string == "not"):
        return None
    if text in ("min", "max", "any", "all", "minimum", "maximum") and after.string != "(":
        return None
    return NAMES[text]


def _python(text):
    """(line number, changed line) of a Python file."""
    tree, lines = ast.parse(text), text.splitlines()
    spans = list(_spans(tree))
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT)
    ]
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if any(begin <= token.start < end for begin, end in spans):
            continue
        new = _python_token(token, before, after)
        if new is not None:
            line = lines[token.start[0] - 1]
            yield token.start[0] - 1, _replaced(line, token.start[1], token.end[1], new)
    for node in _statements(tree):
        line = lines[node.lineno - 1]
        if not line[: node.col_offset].strip():
            yield node.lineno - 1, line[: node.col_offset] + "pass"
    for test in _conditions(tree):
        line, place = lines[test.lineno - 1], (test.lineno, test.col_offset)
        kept = any(begin <= place < end for begin, end in spans)
        if line.isascii() and not kept:
            start, end = test.col_offset, test.end_col_offset
            yield test.lineno - 1, _replaced(line, start, end, f"not ({line[start:end]})")


def changes(root, path):
    """Every change of a file, without repetitions."""
    text = (Path(root) / path).read_text()
    lines, found, seen = text.splitlines(), {}, {}
    for number, after in (_python if path.endswith(".py") else _cpp)(text):
        before = lines[number]
        if after == before or (number, after) in found:
            continue
        nth = seen[before, after] = seen.get((before, after), -1) + 1
        found[number, after] = Change(path, number, before, after, nth)
    return list(found.values())


def apply(path, change):
    """Changes a copy of the change's file."""
    lines = path.read_text().splitlines(keepends=True)
    assert lines[change.line].rstrip("\n") == change.before
    lines[change.line] = change.after + "\n"
    path.write_text("".join(lines))
