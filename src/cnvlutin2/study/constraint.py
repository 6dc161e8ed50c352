"""`Constraint`: an expression over parameters that says which points of a grid are wanted; parsed and walked, never run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import cast

from cnvlutin2.errors import ConfigError, did_you_mean, short

Value = str | int | float | bool
"""What a parameter can be."""

MAX_TEXT = 1000
"""Longest expression."""
_OPERATORS: dict[type[ast.operator], Callable[[int, int], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ALLOWED = "compare parameters and numbers with + - * / // %, == != < <= > >=, in (..), and, or, not"


class Constraint:
    """A condition that points must meet, as ``tiles * lanes <= 256 and filter_sync in ('brick', 2)``.

    Parameters
    ----------
    text : str
        Names of parameters, numbers, texts in quotes, ``true`` and ``false``; arithmetic, comparisons, ``in``, ``and``, ``or``,
        ``not``. Nothing is called, and nothing but the parameters can be reached.

    Raises
    ------
    ConfigError
        If it is anything else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_TEXT:
            raise self._refusal(f"it is longer than {MAX_TEXT} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._refusal("it is not an expression") from None
        self.names = frozenset(node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)) - {"true", "false"}
        for node in ast.walk(self._tree):
            self._check(node)

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"

    def check_names(self, known: Mapping[str, object]) -> None:
        """Refuse names that are no parameters.

        Raises
        ------
        ConfigError
            Names the first one.
        """
        for name in sorted(self.names - known.keys()):
            raise self._refusal(f"{name!r} is no parameter{did_you_mean(name, known)}")

    def holds(self, parameters: Mapping[str, object]) -> bool:
        """Whether a point with such parameters is wanted.

        Raises
        ------
        ConfigError
            For what has no value: a division by zero, a word compared with a number by ``<``.
        """
        try:
            found = self._value(self._tree, parameters)
        except (TypeError, ArithmeticError, ValueError, RecursionError) as error:
            values = ", ".join(f"{name}={short(parameters[name])}" for name in sorted(self.names))
            raise self._refusal(f"{error}, for {values}") from None
        if not isinstance(found, bool):
            raise self._refusal(f"it is {short(found)}, neither true nor false")
        return found

    def _refusal(self, what: str) -> ConfigError:
        return ConfigError(f"cannot use the constraint {short(self.text)}: {what}; {_ALLOWED}", where="where")

    def _check(self, node: ast.AST) -> None:
        """Refuse whatever is not known to be harmless."""
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, (str, int, float)):
                raise self._refusal(f"{short(node.value)} is no value")
            return
        harmless = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Name, ast.Tuple, ast.List, ast.expr_context, ast.boolop)
        operators = (*_OPERATORS, *_COMPARISONS, ast.In, ast.NotIn, ast.Not, ast.USub, ast.UAdd)
        if not isinstance(node, (*harmless, *operators)):
            raise self._refusal(f"{type(node).__name__} is not allowed")

    def _value(self, node: ast.expr, parameters: Mapping[str, object]) -> object:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id="true" | "false" as word):
                return word == "true"
            case ast.Name(id=name):
                return parameters[name]
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return tuple(self._value(part, parameters) for part in parts)
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self._truth(part, parameters) for part in parts)
            case ast.BoolOp(values=parts):
                return any(self._truth(part, parameters) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not self._truth(part, parameters)
            case ast.UnaryOp(op=sign, operand=part):
                number = _number(self._value(part, parameters))
                return -number if isinstance(sign, ast.USub) else number
            case ast.BinOp(left=left, op=sign, right=right):
                one, other = _number(self._value(left, parameters)), _number(self._value(right, parameters))
                return _OPERATORS[type(sign)](one, other)
            case ast.Compare(left=left, ops=signs, comparators=rest):
                values = [self._value(each, parameters) for each in (left, *rest)]
                return all(_compare(sign, values[i], values[i + 1]) for i, sign in enumerate(signs))
        raise self._refusal(f"{type(node).__name__} is not allowed")

    def _truth(self, node: ast.expr, parameters: Mapping[str, object]) -> bool:
        value = self._value(node, parameters)
        if not isinstance(value, bool):
            raise TypeError(f"{short(value)} is neither true nor false")
        return value


def _number(value: object) -> int:
    """Return a number (of either kind; a text cannot be multiplied here, nor can a bool)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{short(value)} is no number")
    return cast(int, value)


def _compare(sign: ast.cmpop, one: object, other: object) -> bool:
    if isinstance(sign, (ast.In, ast.NotIn)):
        if not isinstance(other, tuple):
            raise TypeError("'in' wants a list of values in brackets")
        return (one in other) == isinstance(sign, ast.In)
    if not isinstance(sign, (ast.Eq, ast.NotEq)) and isinstance(one, str) != isinstance(other, str):
        raise TypeError(f"{short(one)} and {short(other)} have no order")
    return bool(_COMPARISONS[type(sign)](cast(int, one), cast(int, other)))
