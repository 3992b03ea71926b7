//! Benchmarks of the analysis of cells on one core.
//!
//! `cells` reports cells (elements) per second over the typical cells of a notebook, and `bytes` reports the same in
//! bytes. `large` is one large source with doc strings and comments, as libraries have them. `dense` is one source of
//! the same size without any, so that nearly every byte is a token.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quire_analysis::{CellType, analyse};

/// Typical cells of notebooks about data.
const CELLS: &[&str] = &[
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\n\n%matplotlib inline",
    "df = pd.read_csv(path)\ndf.head()",
    "df = df.dropna(subset=['price', 'area'])\ndf['rate'] = df['price'] / df['area']",
    "def normalise(frame, columns=COLUMNS):\n    out = frame.copy()\n    for column in columns:\n        values = out[column]\n        out[column] = (values - values.mean()) / values.std()\n    return out",
    "clean = normalise(df)\nclean.describe()",
    "by_year = clean.groupby('year').agg({'price': 'mean', 'area': ['min', 'max']})\nby_year",
    "fig, ax = plt.subplots(figsize=(10, 4))\nax.plot(by_year.index, by_year['price'])\nax.set_title(f'Price by year, {len(clean)} sales')",
    "model = LinearRegression()\nmodel.fit(X_train, y_train)\nprint(f'score: {model.score(X_test, y_test):.3f}')",
    "n = 10",
    "results = [train(seed=i) for i in range(n)]\nbest = max(results, key=lambda r: r.score)",
    "# The next cells compare the two models\nfor name, m in models.items():\n    print(name, m.score(X_test, y_test))",
    "class Config:\n    rate: float = 0.1\n    epochs: int = 20\n\n    def total(self):\n        return self.epochs * steps",
];

/// Typical code of a module; `@` is replaced by a number.
const MODULE: &str = r#"
class Reader@(Base):
    """Reads the records of one file, in the order in which they were written.

    The file is opened when the first record is asked for, and closed with the reader. A record that
    cannot be read is skipped with a warning, unless `strict` is set.
    """

    def __init__(self, path, *, strict=False, encoding="utf-8"):
        self.path = path
        self.strict = strict
        self.encoding = encoding
        self._file = None

    def records(self, limit=None):
        """Yield at most `limit` records; all of them when `limit` is None."""
        # The file may grow while it is read, so its length is not asked for beforehand.
        with open(self.path, encoding=self.encoding) as file:
            for number, line in enumerate(file, start=1):
                if limit is not None and number > limit:
                    break
                try:
                    yield parse_record(line.rstrip("\n"), number)
                except ValueError as error:
                    if self.strict:
                        raise ReadError(f"{self.path}:{number}: {error}") from error
                    warnings.warn(f"record {number} of {self.path} was skipped: {error}")


def merge@(readers, key=lambda record: record.time):
    """Merge the records of several readers, which are sorted by `key` each, into one sorted sequence."""
    heads = [(key(first), index, first) for index, first in enumerate(map(next, readers))]
    heapq.heapify(heads)
    while heads:
        _, index, record = heapq.heappop(heads)
        yield record
"#;

fn large() -> String {
    (0..).map(|number| MODULE.replace('@', &number.to_string())).take(150).collect()
}

fn dense() -> String {
    let mut code = String::new();
    for number in 0.. {
        if code.len() > 200_000 {
            break;
        }
        for cell in CELLS {
            code += &cell.replace("df", &format!("df{number}"));
            code += "\n\n";
        }
    }
    code
}

/// Size in bytes of the largest cell that the service accepts.
const LARGEST: usize = 256 * 1024;

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("python");
    let all = || {
        for cell in CELLS {
            black_box(analyse(CellType::Python, black_box(cell)));
        }
    };
    group.throughput(Throughput::Elements(CELLS.len() as u64));
    group.bench_function("cells", |bencher| bencher.iter(all));
    group.throughput(Throughput::Bytes(CELLS.iter().map(|cell| cell.len() as u64).sum()));
    group.bench_function("bytes", |bencher| bencher.iter(all));
    for (name, code) in [("large", large()), ("dense", dense())] {
        group.throughput(Throughput::Bytes(code.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| analyse(CellType::Python, black_box(&code))));
    }
    group.finish();

    let mut group = criterion.benchmark_group("sql");
    let code = "-- name: sales\nselect s.year, avg(s.price) as price\nfrom sales s join regions r on r.id = s.region_id\nwhere s.price > {limit} and r.name = {region}\ngroup by s.year\norder by s.year";
    group.throughput(Throughput::Elements(1));
    group.bench_function("cell", |bencher| bencher.iter(|| analyse(CellType::Sql, black_box(code))));
    group.finish();

    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10);
    // The most expensive known shapes, at the largest size that the service accepts.
    for (name, code) in [
        ("brackets", "[".repeat(LARGEST)),
        ("hidden brackets", "[']',".repeat(LARGEST / 5)),
        ("backslashes", "\\".repeat(LARGEST)),
    ] {
        group.throughput(Throughput::Bytes(code.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| analyse(CellType::Python, black_box(&code))));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
