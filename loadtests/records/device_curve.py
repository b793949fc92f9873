"""Curves of devices, for the analysis, which may not import servers."""

from servers.device_curve import CurveError as CurveError
from servers.device_curve import CurvePoint as CurvePoint
from servers.device_curve import DeviceCurve as DeviceCurve
from servers.device_curve import curve_named as curve_named
from servers.device_curve import curve_names as curve_names
from servers.device_curve import read_curve as read_curve

PASS_P50_BOUND, PASS_P99_BOUND = 0.02, 0.05
"""How far the median and the P99 of simulated passes may be off their curve."""
