"""Write trained models as files for other runtimes: ONNX, TorchScript, torch.export."""
