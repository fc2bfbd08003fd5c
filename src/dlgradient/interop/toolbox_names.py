"""Names that MATLAB has around networks and training, and what to write.

They are in the form of `dlgradient.interop.counterparts`, which has them among its notes. A method
of a network, a queue or a monitor is a function in MATLAB; each is answered by its own call.
"""

from __future__ import annotations

__all__ = ["TOOLBOX"]

_IMPORTED = "import_network_from_onnx(path), of a file that"
_CONVERTED = f"{_IMPORTED} tf2onnx writes: python -m tf2onnx.convert"

TOOLBOX: dict[str, str] = {
    # Networks.
    "is net = net.add_layers(layers), a method of networks": "addLayers",
    "is net = net.add_input_layer(layer), a method of networks": "addInputLayer",
    'is net = net.remove_layers("name"), a method of networks': "removeLayers",
    'is net = net.replace_layer("name", layer), a method of networks': "replaceLayer",
    'is net = net.connect_layers("a", "b"), a method of networks': "connectLayers",
    'is net = net.disconnect_layers("a", "b"), a method of networks': "disconnectLayers",
    'is net.get_layer("name"), a method of networks': "getLayer",
    'is net = net.expand_layers("name"), a method of networks': "expandLayers",
    'is net = net.group_layers(["a", "b"], "name"), a method of networks': "groupLayers",
    "is net = net.reset_state(), a method of networks": "resetState",
    'is net = net.set_learn_rate_factor("fc/weights", 0), a method of networks': (
        "setLearnRateFactor"
    ),
    'is net.learn_rate_factors()["fc/weights"], of a method of networks': "getLearnRateFactor",
    'is net = net.set_l2_factor("fc/weights", 0), a method of networks': "setL2Factor",
    'is net.l2_factors()["fc/weights"], of a method of networks': "getL2Factor",
    "is net.summary(), a method of networks; print(net) shows the layers": "summary",
    "is net.plot(), a method of networks; Matplotlib draws arrays, plt.plot(extractdata(x))": (
        "plot"
    ),
    "is net.predict(x, outputs='name'), with the name of the layer": "activations",
    (
        "is y = net.predict(x); y, state = net.forward(x), in training, also returns the state "
        "that net.state = state takes"
    ): "predictAndUpdateState classifyAndUpdateState",
    "is dlnetwork(layers) here; add_layers and connect_layers make any graph": (
        "SeriesNetwork DAGNetwork dag2dlnetwork assembleNetwork"
    ),
    "is a program with windows; print(net), net.plot() and analyze_network(net) show a network": (
        "deepNetworkDesigner experimentManager nntraintool nnstart nprtool"
    ),
    (
        "is a network of dlnetwork here, as dlnetwork([layers.FeatureInput(2), "
        "layers.FullyConnected(10), layers.Tanh(), layers.FullyConnected(1)])"
    ): "feedforwardnet fitnet patternnet cascadeforwardnet newff",
    'is training_options("lm"), for trainnet; there is no Bayesian regularisation': (
        "trainlm trainbr trainscg trainbfg"
    ),
    # What is a layer in MATLAB, and not here.
    "is no layer here: trainnet(x, targets, net, 'crossentropy', options) takes the loss": (
        "classificationLayer pixelClassificationLayer dicePixelClassificationLayer focalLossLayer"
    ),
    "is no layer here: trainnet(x, targets, net, 'mse', options) takes the loss": "regressionLayer",
    "is not needed: layers of space work on each time step of data with 'S' and 'T'": (
        "sequenceFoldingLayer sequenceUnfoldingLayer"
    ),
    (
        "is a class of a few lines, class PeepholeLstm(layers.Layer), as on the page [Own "
        "layers](../recipes/own-layers.md)"
    ): "peepholeLSTMLayer",
    (
        "is a package of MATLAB. Here nnet.layer.Layer is layers.Layer; Formattable and "
        "Acceleratable are not needed"
    ): "nnet",
    (
        "is a package of MATLAB. Here deep.DifferentiableFunction is DifferentiableFunction, "
        "deep.Metric is metrics.Metric, and deep.LearnRateSchedule is schedules.Schedule"
    ): "deep",
    # Data.
    "is queue.hasdata(), a method of minibatchqueue": "hasdata",
    "is queue.next(), a method of minibatchqueue": "next",
    "is queue.reset(), a method of minibatchqueue": "reset",
    "is queue.shuffle(), a method of minibatchqueue": "shuffle",
    "is queue.next() of minibatchqueue(data), or data[i] of an array or of image_folder(path)": (
        "read readimage preview"
    ),
    "is not needed: minibatchqueue reads arrays that are mapped from files, and datasets": "tall",
    "is the array itself, or [data[i] for i in range(len(data))]": "readall",
    (
        "is mini_batch_fcn= of minibatchqueue: a function of yours that gets the observations of a "
        "batch, and changes them"
    ): "transform augmentedImageDatastore imageDataAugmenter",
    (
        "is minibatchqueue(data) here: data is any object whose data[i] reads an observation and "
        "whose len(data) counts them, or a data frame of pandas"
    ): (
        "datastore fileDatastore signalDatastore audioDatastore tabularTextDatastore "
        "spreadsheetDatastore pixelLabelDatastore boxLabelDatastore"
    ),
    (
        "is a split of numpy.random.default_rng(0).permutation(n), or train_test_split(x, labels, "
        "stratify=labels) of scikit-learn"
    ): "splitEachLabel cvpartition crossvalind dividerand trainingPartitions",
    "is numpy.unique(labels, return_counts=True)": "countEachLabel countcats",
    (
        "is numpy.unique(labels), or class_names of image_folder(path); after trainnet it is "
        "info.class_names"
    ): "categories",
    "is argmax(x, axis=0), which counts from 0": "vec2ind",
    "is normalization='rescale-symmetric' of an input layer, whose statistics trainnet finds": (
        "mapminmax"
    ),
    "is normalization='zscore' of an input layer, whose statistics trainnet finds": "mapstd",
    # Training.
    "is net.predict(x), a method of networks": "sim",
    "is time.perf_counter() of Python, before and after": "tic toc",
    "is print(x)": "disp fprintf",
    "is a function of Matplotlib, of import matplotlib.pyplot as plt": "figure imshow montage",
    "is monitor.record_metrics(iteration, loss=loss), of training_progress_monitor": (
        "recordMetrics"
    ),
    "is monitor.update_info(epoch=epoch), of training_progress_monitor": "updateInfo",
    'is monitor.group_subplot("losses", ("a", "b")), of training_progress_monitor': "groupSubPlot",
    'is monitor.yscale("losses", "log"), of training_progress_monitor': "yscale",
    'is monitor.export_plot_as_image("plot.png"), of training_progress_monitor': (
        "exportPlotAsImage"
    ),
    "is accelerated.clear_cache(), a method of what dlaccelerate makes": "clearCache",
    "is the loss 'mae' of trainnet; a function is l1loss(y, targets)": "mae",
    'is training_options("lbfgs") for trainnet, and lbfgsupdate in a loop': "lbfgs",
    'is training_options("lm") for trainnet': "lm",
    "is info.show(), a method of what trainnet returns next to the network": "show",
    "is info.close(), a method of what trainnet returns next to the network": "close",
    # Files of other programs.
    f"is {_IMPORTED} any program writes": "importONNXNetwork importONNXLayers importONNXFunction",
    (
        "is import_weights_from_torch(net, path) into a network of the same layers; or "
        "import_network_from_onnx(path) after torch.onnx.export(model, example, path)"
    ): "importNetworkFromPyTorch",
    (
        f'is {_IMPORTED} model.export(path, format="onnx") of Keras writes, or '
        "python -m tf2onnx.convert"
    ): "importNetworkFromKeras importKerasNetwork importKerasLayers",
    f"is {_CONVERTED}": (
        "importNetworkFromTensorFlow importTensorFlowNetwork importTensorFlowLayers"
    ),
    f"is {_IMPORTED} a converter of Caffe's models to ONNX writes": (
        "importCaffeNetwork importCaffeLayers"
    ),
    "is export_onnx_network(net, path); TensorFlow and Simulink read ONNX by tools of their own": (
        "exportNetworkToTensorFlow exportNetworkToSimulink"
    ),
    # What looks into networks, and what is around them.
    (
        "is not here; what a score depends on is its gradient, dlgradient(net.predict(x)[k], x) "
        "for one observation inside dlfeval"
    ): "gradCAM imageLIME occlusionSensitivity drise",
    "is not here; it follows the gradient dlgradient(y, x) of an output y by the image x": (
        "deepDreamImage"
    ),
    "is x + 0.01 * sign(dlgradient(loss, x)) inside dlfeval, in one step or several": (
        "findAdversarialExamples FGSM BIM"
    ),
    "has no counterpart here; export_onnx_network(net, path) writes a file for other tools": (
        "verifyNetworkRobustness estimateNetworkOutputBounds networkDistributionDiscriminator "
        "isInNetworkDistribution distributionScores taylorPrunableNetwork updatePrunables "
        "updateScore compressNetworkUsingProjection neuronPCA dlquantizer dlquantizationOptions "
        "quantize"
    ),
}
