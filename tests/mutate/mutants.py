"""
mutants: one-token mutations of a C source. A mutant is the source with one token of
a function's code changed: an operator, a truth, a number, a negation, or one call
statement that is left out. Comments, strings, preprocessor lines and what stands
outside of functions are left alone: a changed declaration says little about tests.
"""

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<number>\b(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*\b)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<operator><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])
    """,
    re.S | re.M | re.X,
)

# Where an operator may mean two things (unary and binary), only the binary one is changed.
BINARY = {
    "==": ["!="],
    "!=": ["=="],
    "<": ["<=", ">"],
    "<=": ["<", ">"],
    ">": [">=", "<"],
    ">=": [">", "<"],
    "&&": ["||"],
    "||": ["&&"],
    "+": ["-"],
    "-": ["+"],
    "+=": ["-="],
    "-=": ["+="],
    "|": ["&"],
    "&": ["|"],
    "|=": ["&="],
    "/": ["%"],
    "%": ["/"],
}
# No calls, or calls that no test can miss: free(3) is LeakSanitizer's affair.
NO_STATEMENTS = ("if", "for", "while", "switch", "return", "bug", "die", "sizeof", "malloc_trim")
WORDS = {"true": "false", "false": "true", "continue": "break"}


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int
    depth: int  # of braces, before it


class Mutant(NamedTuple):
    path: str
    line: int
    start: int
    end: int
    old: str
    new: str
    where: str  # the line as it stands, without its indentation

    def __str__(self):
        return f"{self.path}:{self.line}: {self.old.strip() or ' '} -> {self.new or 'nothing'} in: {self.where}"

    def key(self):
        """Names the mutant for as long as its line stays as it is."""
        return f"{self.path}: {self.old.strip()} -> {self.new}: {self.where}"

    def apply(self, source):
        return source[: self.start] + self.new + source[self.end :]


def tokens(source):
    found, depth = [], 0
    for match in TOKEN.finditer(source):
        kind = match.lastgroup
        if kind in ("comment", "directive"):
            continue
        text = match.group()
        found.append(Token(kind, text, match.start(), match.end(), depth))
        if text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
    return found


def ends_value(token):
    return token.kind in ("number", "string", "word") and token.text not in (
        "return",
        "case",
        "sizeof",
    ) or token.text in (")", "]")


def function_bodies(all_tokens):
    """The tokens inside of functions: of what opens with ") {" at depth 0."""
    inside, body = False, []
    for i, token in enumerate(all_tokens):
        if token.depth == 0 and token.text == "{":
            inside = i > 0 and all_tokens[i - 1].text == ")"
        elif inside and token.depth > 0:
            body.append((i, token))
    return body


def number_changes(text):
    if text.lower().startswith("0x") or not text.isdigit():
        return []
    return ["1"] if text == "0" else ["0"] if text == "1" else [str(int(text) + 1), str(int(text) - 1)]


def is_declared(all_tokens, i):
    """Is the * or & or < at i part of a declaration or a cast?"""
    before = all_tokens[i - 1]
    return before.text in ("void", "char", "int", "const", "unsigned", "size_t") or (
        i > 1 and all_tokens[i - 2].text == "struct"
    )


def token_changes(all_tokens, i):
    token = all_tokens[i]
    if token.kind == "number":
        return number_changes(token.text)
    if token.kind == "word":
        return [WORDS[token.text]] if token.text in WORDS else []
    if token.text == "!":
        return [""]
    if token.text in BINARY and ends_value(all_tokens[i - 1]) and not is_declared(all_tokens, i):
        return BINARY[token.text]
    return []


def call_statement(all_tokens, i):
    """The end of the statement `name(...);` that begins at i, or None."""
    if all_tokens[i].kind != "word" or all_tokens[i - 1].text not in (";", "{", "}"):
        return None
    if i + 1 >= len(all_tokens) or all_tokens[i + 1].text != "(":
        return None
    if all_tokens[i].text in NO_STATEMENTS or all_tokens[i].text.endswith("free"):
        return None
    level = 0
    for j in range(i + 1, len(all_tokens)):
        level += {"(": 1, ")": -1}.get(all_tokens[j].text, 0)
        if level == 0:
            follows = j + 1 < len(all_tokens) and all_tokens[j + 1].text == ";"
            return all_tokens[j].end if follows else None
    return None


def mutants(path, source):
    """Every mutant of a file, in the order of the source."""
    all_tokens = tokens(source)
    found = []

    def add(start, end, new):
        line = source.count("\n", 0, start) + 1
        begin = source.rfind("\n", 0, start) + 1
        stop = source.find("\n", start)
        where = source[begin : stop if stop >= 0 else len(source)].strip()
        found.append(Mutant(path, line, start, end, source[start:end], new, where))

    for i, token in function_bodies(all_tokens):
        for new in token_changes(all_tokens, i):
            add(token.start, token.end, new)
        end = call_statement(all_tokens, i)
        if end is not None:
            add(token.start, end, "")
    return found
