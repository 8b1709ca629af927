"""Writes the same members as YAML in many styles: what people, editors and generators make of a profile."""

import json


class Styles:
    """Draws a style for each piece from `rng`; its comments are numbered."""

    def __init__(self, rng):
        self.rng = rng
        self.comments = 0

    def text_of(self, members):
        lines = self.brackets(members, 0) if self.rng.random() < 0.2 else self.members_in_lines(members, 0)
        head = self.rng.choice([[], [], ["---"], ["# é\t😀 head", ""]])
        if head == ["---"] and lines[0].startswith("{") and self.rng.random() < 0.5:
            head, lines = [], ["--- " + lines[0], *lines[1:]]
        tail = self.rng.choice([[], [], ["", "# the end"], ["..."]])
        line_end = self.rng.choice(["\n", "\n", "\r\n"])
        text = line_end.join([*head, *lines, *tail])
        return self.rng.choice(["", "", "\ufeff"]) + text + self.rng.choice(["", line_end, line_end])

    def members_in_lines(self, members, column):
        lines = []
        for name, value in members.items():
            lines += self.between(column)
            lines += self.member(name, value, column)
        return lines

    def member(self, name, value, column):
        key = " " * column + self.key(name) + ":"
        if isinstance(value, list) and value and self.rng.random() < 0.6:
            return [key + self.comment(), *self.list_in_lines(value, column + self.rng.choice([0, 1, 2, 4]))]
        if isinstance(value, dict) and self.rng.random() < 0.6:
            return [key + self.comment(), *self.members_in_lines(value, column + self.rng.choice([1, 2, 4]))]
        if name in {"label", "intro"} and self.rng.random() < 0.3 and value.isascii() and value.isalpha():
            body = [" " * (column + 2) + value, *self.rng.choice([[], [], ["", ""]])]
            return [f"{key} {self.rng.choice(['|-', '>-'])}", *body]
        first, *rest = self.brackets(value, column + 1)
        rest[-1:] = [line + self.comment() for line in rest[-1:]]
        return [f"{key}{self.rng.choice([' ', ' ', '   '])}{first}" + ("" if rest else self.comment()), *rest]

    def list_in_lines(self, items, column):
        lines = []
        gap = self.rng.choice([1, 1, 1, 3])
        for item in items:
            lines += self.between(column)
            dash = " " * column + "-"
            if isinstance(item, dict) and self.rng.random() < 0.5:
                first, *rest = self.members_at(item, column + 1 + gap)
                if self.rng.random() < 0.15:
                    lines += [dash + self.comment(), first, *rest]
                else:
                    lines += [dash + first[column + 1 :], *rest]
            else:
                first, *rest = self.brackets(item, column + 1)
                rest[-1:] = [line + self.comment() for line in rest[-1:]]
                lines += [dash + " " * gap + first + ("" if rest else self.comment()), *rest]
        return lines

    def members_at(self, members, column):
        """The same as in lines, but with nothing before the first member."""
        (name, value), *others = members.items()
        return [*self.member(name, value, column), *self.members_in_lines(dict(others), column)]

    def brackets(self, value, column):
        """Lines of a value that needs no indentation; `column` is the least that its later lines must have."""
        if not isinstance(value, list | dict):
            return [self.scalar(value)]
        opened, closed = ("{", "}") if isinstance(value, dict) else ("[", "]")
        pairs = value.items() if isinstance(value, dict) else ((None, each) for each in value)
        pieces = []
        for name, each in pairs:
            first, *rest = self.brackets(each, column + 2)
            pieces.append([first if name is None else f"{self.key(name)}: {first}", *rest])
        last_comma = self.rng.choice(["", "", ",", " , "]) if pieces else ""
        if self.rng.random() < 0.7:
            return self.in_a_row(pieces, opened, closed, last_comma)
        indent = " " * (column + self.rng.choice([0, 2]))
        lines = [opened + self.comment()]
        for place, piece in enumerate(pieces):
            comma = "," if place < len(pieces) - 1 else last_comma
            first, *rest = [indent + piece[0], *piece[1:]]
            whole = [first, *rest]
            whole[-1] += comma + self.comment()
            lines += whole
        if self.rng.random() < 0.3 and "#" not in lines[-1]:
            return [*lines[:-1], lines[-1] + closed]
        return [*lines, " " * column + closed]

    def in_a_row(self, pieces, opened, closed, last_comma):
        space = self.rng.choice(["", "", " "])
        lines = [opened + space]
        for place, (first, *rest) in enumerate(pieces):
            lines[-1] += first
            lines += rest
            lines[-1] += ", " if place < len(pieces) - 1 else last_comma
        lines[-1] += space + closed
        return lines

    def key(self, name):
        return self.rng.choice([name, name, name, f'"{name}"', f"'{name}'"])

    def scalar(self, value):
        if not isinstance(value, str):
            return json.dumps(value)
        if value.isascii() and value.isalpha() and self.rng.random() < 0.6:
            return value
        if self.rng.random() < 0.3:
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def between(self, column):
        if self.rng.random() < 0.8:
            return []
        indent = " " * self.rng.choice([0, column, column, column + 1])
        return [*self.rng.choice([[], [""]]), indent + self.a_comment()]

    def comment(self):
        return "  " + self.a_comment() if self.rng.random() < 0.2 else ""

    def a_comment(self):
        self.comments += 1
        return f"# c{self.comments} {self.rng.choice(['', 'é😀', chr(9) + '{[,', ': - ' + chr(34)])}"
