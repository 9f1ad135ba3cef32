"""What tools/check_gpu.sh runs: see docs/gpu_checks.md."""
