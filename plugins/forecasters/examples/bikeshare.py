"""Writes the hourly hires of a bicycle share in Washington in 2011, with weather and calendar, for tide_covariates.

  pip install --no-deps islp
  python bikeshare.py bikeshare.csv

The data are Bikeshare of the package ISLP (Introduction to Statistical Learning, its data sets), which has them from the UCI
repository: Fanaee-T and Gama 2013, Event Labeling Combining Ensemble Detectors and Background Knowledge; CC BY 4.0. Hours in
which nobody hired a bicycle are absent there; they stay absent here.
"""

import csv
import datetime
import importlib.util
import sys
from pathlib import Path


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    spec = importlib.util.find_spec("ISLP")
    if spec is None or spec.origin is None:
        sys.exit("ISLP is not installed: pip install --no-deps islp")
    source = Path(spec.origin).parent / "data" / "Bikeshare.csv"
    first = datetime.datetime(2011, 1, 1)
    columns = ["temp", "hum", "windspeed", "holiday", "workingday"]
    with source.open(newline="") as rows, open(sys.argv[1], "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["time", "bikers", *columns, "cloudy", "rain"])
        for row in csv.DictReader(rows):
            time = first + datetime.timedelta(days=int(row["day"]) - 1, hours=int(row["hr"]))
            weather = row["weathersit"]
            sky = [int(weather == "cloudy/misty"), int("rain" in weather)]
            writer.writerow([time, row["bikers"], *(row[name] for name in columns), *sky])


if __name__ == "__main__":
    main()
