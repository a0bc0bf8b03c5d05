//! Heat maps as SVG.

use std::fmt::Write;
use std::path::Path;

use t5_gpu::{Error, Result};

/// A table of values from 0 to 1.
pub struct HeatMap {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    /// A row of `rows`, a value a column.
    pub values: Vec<Vec<f32>>,
}

/// Pixels of a cell's side, of a letter's width, of a margin.
const CELL: usize = 20;
const LETTER: usize = 8;
const MARGIN: usize = 16;

/// Draws the maps one under the other.
pub fn write_svg(path: &Path, maps: &[HeatMap]) -> Result<()> {
    std::fs::write(path, svg(maps)).map_err(|source| Error::write(path, source))
}

fn svg(maps: &[HeatMap]) -> String {
    let mut body = String::new();
    let (mut width, mut top) = (2 * MARGIN, MARGIN);
    for map in maps {
        let (map_width, map_height) = map.draw(top, &mut body);
        width = width.max(map_width);
        top += map_height + 2 * MARGIN;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top}\" viewBox=\"0 0 {width} {top}\" \
         font-family=\"monospace\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

impl HeatMap {
    /// Draws at `top`; gives the width and height that are taken.
    fn draw(&self, top: usize, out: &mut String) -> (usize, usize) {
        let left = MARGIN + longest(&self.rows);
        let head = CELL + MARGIN + longest(&self.columns);
        let mut line = |text: std::fmt::Arguments<'_>| {
            writeln!(out, "{text}").expect("a String takes all that is written");
        };
        line(format_args!(
            "<text x=\"{MARGIN}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top + LETTER,
            escaped(&self.title)
        ));
        for (index, label) in self.columns.iter().enumerate() {
            // Upwards, from above its column.
            let (x, y) = (left + index * CELL + CELL / 2 + 4, top + head - 6);
            line(format_args!(
                "<text transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
                escaped(label)
            ));
        }
        for (index, (label, values)) in self.rows.iter().zip(&self.values).enumerate() {
            let y = top + head + index * CELL;
            line(format_args!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                left - 6,
                y + CELL - 6,
                escaped(label)
            ));
            for (column, value) in values.iter().enumerate() {
                line(format_args!(
                    "<rect x=\"{}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"#08306b\" \
                     fill-opacity=\"{:.3}\" stroke=\"#ddd\"><title>{} - {}: {value:.3}</title></rect>",
                    left + column * CELL,
                    value.clamp(0.0, 1.0),
                    escaped(&self.columns[column]),
                    escaped(label),
                ));
            }
        }
        let title = self.title.chars().count() * LETTER;
        let width = (left + self.columns.len() * CELL).max(MARGIN + title) + MARGIN;
        (width, head + self.rows.len() * CELL)
    }
}

/// Pixels that the longest label takes.
fn longest(labels: &[String]) -> usize {
    let letters = labels.iter().map(|label| label.chars().count());
    letters.max().unwrap_or(0) * LETTER + 8
}

/// Text in XML 1.0, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            _ if character.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            escaped("</s> & \"a\"\u{1}"),
            "&lt;/s&gt; &amp; &quot;a&quot;\u{fffd}"
        );
    }

    #[test]
    fn a_map_has_a_cell_a_value() {
        let map = HeatMap {
            title: "Ja".into(),
            columns: vec!["a".into(), "b".into(), "</s>".into()],
            rows: vec!["x".into(), "y".into()],
            values: vec![vec![0.0, 0.25, 0.75], vec![1.0, 0.0, 0.0]],
        };
        let picture = svg(&[map]);
        assert_eq!(picture.matches("<title>").count(), 6);
        assert!(
            picture.contains("fill-opacity=\"0.750\" stroke=\"#ddd\"><title>&lt;/s&gt; - x: 0.750")
        );
        // Labels beside the title: three columns, two rows.
        assert_eq!(picture.matches("<text").count(), 6);
    }
}
