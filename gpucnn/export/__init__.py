"""Trained networks for other places: ONNX, a page, a C header; and networks from ONNX."""

from gpucnn.export.from_onnx import from_onnx
from gpucnn.export.write import export_c, export_c_int8, export_onnx, export_page

__all__ = ["export_c", "export_c_int8", "export_onnx", "export_page", "from_onnx"]
