"""Tree to text: printing a formula and parsing it again gives the same tree."""

from __future__ import annotations

from collections.abc import Callable

from losscompiler.syntax import tree

_PRECEDENCE = {"or": 2, "and": 3, "not": 4, "compare": 5, "+": 6, "-": 6, "*": 7, "/": 7, "@": 7, "sign": 8, "**": 9}
_CONDITIONAL, _POSTFIX, _ATOM = 1, 10, 11


def _precedence(node: tree.Expression) -> int:
    match node:
        case tree.Conditional():
            return _CONDITIONAL
        case tree.Binary():
            return _PRECEDENCE[node.operator]
        case tree.Compare():
            return _PRECEDENCE["compare"]
        case tree.Prefix():
            return _PRECEDENCE["not" if node.operator == "not" else "sign"]
        case tree.Subscript():
            return _POSTFIX
        case _:
            return _ATOM


def print_expression(root: tree.Expression) -> str:
    """Return the text of an expression, with the fewest parentheses that keep its tree."""
    done: dict[int, str] = {}

    def shown(node: tree.Expression, weakest: int) -> str:
        """Return a child's text, in parentheses if it binds more weakly than ``weakest``."""
        text = done[id(node)]
        return f"({text})" if _precedence(node) < weakest else text

    for node in tree.postorder(root):
        done[id(node)] = _print_node(node, shown)  # type: ignore[arg-type]
    return done[id(root)]


def _print_node(node: tree.Expression, shown: Callable[[tree.Expression, int], str]) -> str:
    match node:
        case tree.Number():
            return node.literal
        case tree.Name():
            return node.name
        case tree.Prefix():
            level = _precedence(node)
            return f"not {shown(node.operand, level)}" if node.operator == "not" else node.operator + shown(node.operand, level)
        case tree.Binary():
            level = _precedence(node)
            if node.operator == "**":
                return f"{shown(node.left, _POSTFIX)}**{shown(node.right, _PRECEDENCE['sign'])}"
            separator = node.operator if node.operator in "*/" else f" {node.operator} "
            return shown(node.left, level) + separator + shown(node.right, level + 1)
        case tree.Compare():
            level = _PRECEDENCE["compare"] + 1
            text = shown(node.operands[0], level)
            for operator, operand in zip(node.operators, node.operands[1:], strict=True):
                text += f" {operator} {shown(operand, level)}"
            return text
        case tree.Conditional():
            inner = _PRECEDENCE["or"]
            return f"{shown(node.then, inner)} if {shown(node.condition, inner)} else {shown(node.otherwise, _CONDITIONAL)}"
        case tree.Keyword():
            return f"{node.name}={shown(node.value, 0)}"
        case tree.Call():
            return f"{node.function}({', '.join(shown(part, 0) for part in (*node.arguments, *node.keywords))})"
        case tree.Subscript():
            return f"{shown(node.base, _POSTFIX)}[{shown(node.index, 0)}]"
        case tree.Slice():
            return ":".join("" if end is None else shown(end, 0) for end in (node.start, node.stop))
        case tree.Vector():
            return f"[{', '.join(shown(item, 0) for item in node.items)}]"
        case tree.Tuple():
            inner_text = ", ".join(shown(item, 0) for item in node.items)
            return f"({inner_text},)" if len(node.items) == 1 else f"({inner_text})"


def _print_interval(interval: tree.Interval) -> str:
    lower = None if interval.lower is None else print_expression(interval.lower)
    upper = None if interval.upper is None else print_expression(interval.upper)
    if lower is not None and upper is not None:
        return f" in {'[' if interval.closed_lower else '('}{lower}, {upper}{']' if interval.closed_upper else ')'}"
    if lower is not None:
        return f" {'>=' if interval.closed_lower else '>'} {lower}"
    return f" {'<=' if interval.closed_upper else '<'} {upper}"


def print_statement(statement: tree.Statement) -> str:
    """Return the text of one statement."""
    match statement:
        case tree.Roles():
            return f"{statement.role} {', '.join(name.name for name in statement.names)}"
        case tree.ParameterDeclaration():
            text = f"param {statement.name.name}"
            if statement.shape:
                text += f"[{', '.join(print_expression(dimension) for dimension in statement.shape)}]"
            if statement.interval is not None:
                text += _print_interval(statement.interval)
            if statement.initial is not None:
                text += f" = {print_expression(statement.initial)}"
            return text
        case tree.Definition():
            return f"{statement.name.name} = {print_expression(statement.value)}"
        case _:
            return print_expression(statement)


def print_formula(formula: tree.Formula) -> str:
    """Return the text of a program, one statement a line."""
    return "\n".join(print_statement(statement) for statement in (*formula.statements, formula.loss))
