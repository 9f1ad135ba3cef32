"""Loggers of a training: TensorBoard, CSV files, MLflow. Their libraries are imported when asked for."""

from gpucnn.loggers.csv import CSV
from gpucnn.loggers.logger import Figures, Logger
from gpucnn.loggers.mlflow import MLflow
from gpucnn.loggers.pictures import pictures
from gpucnn.loggers.run import RunLoggers, check_installed
from gpucnn.loggers.tensorboard import TensorBoard

__all__ = ["CSV", "Figures", "Logger", "MLflow", "RunLoggers", "TensorBoard", "check_installed", "pictures"]
