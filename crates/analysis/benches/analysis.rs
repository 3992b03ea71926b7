//! How fast cells are analysed, on one core.
//!
//! `cells` reports cells (elements) per second over a notebook's worth of typical cells; `bytes` the same in bytes;
//! `large` is one large source.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quire_analysis::{CellType, analyse};

/// Cells as they stand in notebooks about data.
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

fn large() -> String {
    let mut code = String::new();
    let mut number = 0;
    while code.len() < 200_000 {
        for cell in CELLS {
            code += &cell.replace("df", &format!("df{number}"));
            code += "\n\n";
        }
        number += 1;
    }
    code
}

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
    let large = large();
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("large", |bencher| bencher.iter(|| analyse(CellType::Python, black_box(&large))));
    group.finish();

    let mut group = criterion.benchmark_group("sql");
    let code = "-- name: sales\nselect s.year, avg(s.price) as price\nfrom sales s join regions r on r.id = s.region_id\nwhere s.price > {limit} and r.name = {region}\ngroup by s.year\norder by s.year";
    group.throughput(Throughput::Elements(1));
    group.bench_function("cell", |bencher| bencher.iter(|| analyse(CellType::Sql, black_box(code))));
    group.finish();

    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10);
    for (name, code) in [("brackets", "[".repeat(256 * 1024)), ("minuses", "-".repeat(256 * 1024) + "x")] {
        group.throughput(Throughput::Bytes(code.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| analyse(CellType::Python, black_box(&code))));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
