"""What a machine is made of, from its organisation alone: memories, units, rates, and the events that its parts pay for."""

from cnvlutin2.machine.events import DRAM, EVENTS, PAYERS, Event
from cnvlutin2.machine.machine import Machine, Memory, Rates, Unit, UnitKind

__all__ = ["DRAM", "EVENTS", "PAYERS", "Event", "Machine", "Memory", "Rates", "Unit", "UnitKind"]
