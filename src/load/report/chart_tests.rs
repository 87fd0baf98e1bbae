//! Charts of ordinary, empty and hostile data.

use proptest::prelude::*;

use super::*;

#[test]
fn an_ecdf_rises_to_one_and_draws_its_gates() {
    let values: Vec<f64> = (1..=100).map(f64::from).collect();
    let chart = ecdf(
        &[("ttft", &values)],
        "ms",
        &[(120.0, "p95 < 120 ms".to_owned())],
    );
    assert_eq!(chart.series[0].points.last().unwrap().1, Some(1.0));
    let svg = chart.svg();
    assert!(svg.contains("class=\"limit\"") && svg.contains("p95 &lt; 120 ms"));
}

#[test]
fn many_values_make_a_small_file_and_keep_their_tail() {
    let values: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let chart = ecdf(&[("a", &values)], "ms", &[]);
    assert!(chart.svg().len() < 60_000);
    assert_eq!(
        chart.series[0].points.last().unwrap().0.to_bits(),
        999_999f64.to_bits()
    );
}

#[test]
fn ticks_are_round() {
    assert_eq!(
        linear_ticks(0.0, 500.0),
        [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]
    );
    let shown: Vec<_> = [0.0, 0.25, 12.5, 1500.0, 2e6].map(label).into();
    assert_eq!(shown, ["0", "0.25", "12.5", "1500", "2e6"]);
}

#[test]
fn empty_charts_and_gaps_are_drawn() {
    assert!(Chart::default().svg().ends_with("</svg>"));
    let gap = Series {
        name: "a".to_owned(),
        points: vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0))],
    };
    let chart = Chart {
        series: vec![gap],
        ..Chart::default()
    };
    let svg = chart.svg();
    let path = svg.split("class=\"line").nth(1).unwrap();
    assert_eq!(path.split('"').nth(2).unwrap().matches('M').count(), 2);
}

proptest! {
    #[test]
    fn no_numbers_panic_or_leave_the_picture(
        values in proptest::collection::vec((any::<f64>(), proptest::option::of(any::<f64>())), 0..20),
        log in any::<bool>(),
    ) {
        let chart = Chart {
            series: vec![Series { name: "a".to_owned(), points: values }],
            y_scale: if log { Scale::Log } else { Scale::Linear },
            ..Chart::default()
        };
        drop(chart.svg());
    }
}
