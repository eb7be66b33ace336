"""Write and read the exchange layout: plain .npy files that need nothing of this project.

::

    TREE/
      signals/{train,validation,test}/batch_0000.npy …      (b, n_samples, n_leads) float32, millivolts
      images/{train,validation,test}/{gaf,mtf}/batch_0000.npy …  (b, n_channels, size, size) float32
      labels/y_{train,val,test}.npy                         (n_records, n_classes) uint8, multi-hot
      labels/records_{train,val,test}.csv                   ids, patients, age, sex, … one line a record
      dataset.json                                          classes, leads, sampling rate, split, label rule, fingerprint

`labels/records_*.csv` and `dataset.json` may be missing in a tree that others made, and so may signals/ or images/. One folder of images
may be kept as it is (`images.npy` of prepared data); otherwise images are computed from the signals. Exporting and importing again gives
equal content and, with the test split, the same fingerprint.
"""
