"""Every name of classic scripts in one place: settings, networks, loaders, training, evaluation, figures.

`docs/guides/classic.md` has the list, and what differs from the classic layout.
"""

from analysis.compat.evaluation import (
    best_model,
    evaluate_all_models,
    evaluate_model,
    generate_best_model_analysis,
    load_model,
    main,
    make_ensemble,
    save_summary_report,
)
from analysis.compat.loaders import create_fusion_dataloader, create_image_dataloader, create_signal_dataloader
from analysis.compat.training import train_model
from analysis.evaluation.comparison import ModelComparison
from analysis.evaluation.evaluate import get_test_loader
from analysis.evaluation.metrics import ECGMetrics
from analysis.evaluation.plots.figures import generate_visualizations
from analysis.evaluation.tables import generate_best_model_table, generate_macro_table, generate_per_class_tables
from analysis.retraining.training_visualizer import TrainingVisualizer
from ecg_tune.config import Config
from ecg_tune.models import (
    create_alexnet,
    create_alexnet_cbam,
    create_alexnet_channel_attention,
    create_alexnet_self_attention,
    create_alexnet_spatial_attention,
    create_bigru,
    create_bigru_attention,
    create_bilstm,
    create_bilstm_attention,
    create_cnn1d,
    create_cnn1d_rnn,
    create_fusion,
    create_gru,
    create_inception1d,
    create_lstm,
    create_resnet,
    create_resnet1d,
    create_resnet_cbam,
    create_resnet_channel_attention,
    create_resnet_self_attention,
    create_resnet_spatial_attention,
    create_rnn,
    create_vgg,
    create_vgg_cbam,
    create_vgg_channel_attention,
    create_vgg_self_attention,
    create_vgg_spatial_attention,
)

AlexNet = create_alexnet
CNN1D = create_cnn1d
CNN1D_RNN = create_cnn1d_rnn
Inception1D = create_inception1d
JointFusion = create_fusion
RNNModel = create_rnn
ResNet = create_resnet
ResNet1D = create_resnet1d
VGGNet = create_vgg
"""The networks by the names of their classes, `ResNet(layers=[2, 2, 2, 2])`: they are the factories, not classes."""

__all__ = [
    "CNN1D",
    "CNN1D_RNN",
    "AlexNet",
    "Config",
    "ECGMetrics",
    "Inception1D",
    "JointFusion",
    "ModelComparison",
    "RNNModel",
    "ResNet",
    "ResNet1D",
    "TrainingVisualizer",
    "VGGNet",
    "best_model",
    "create_alexnet",
    "create_alexnet_cbam",
    "create_alexnet_channel_attention",
    "create_alexnet_self_attention",
    "create_alexnet_spatial_attention",
    "create_bigru",
    "create_bigru_attention",
    "create_bilstm",
    "create_bilstm_attention",
    "create_cnn1d",
    "create_cnn1d_rnn",
    "create_fusion",
    "create_fusion_dataloader",
    "create_gru",
    "create_image_dataloader",
    "create_inception1d",
    "create_lstm",
    "create_resnet",
    "create_resnet1d",
    "create_resnet_cbam",
    "create_resnet_channel_attention",
    "create_resnet_self_attention",
    "create_resnet_spatial_attention",
    "create_rnn",
    "create_signal_dataloader",
    "create_vgg",
    "create_vgg_cbam",
    "create_vgg_channel_attention",
    "create_vgg_self_attention",
    "create_vgg_spatial_attention",
    "evaluate_all_models",
    "evaluate_model",
    "generate_best_model_analysis",
    "generate_best_model_table",
    "generate_macro_table",
    "generate_per_class_tables",
    "generate_visualizations",
    "get_test_loader",
    "load_model",
    "main",
    "make_ensemble",
    "save_summary_report",
    "train_model",
]
