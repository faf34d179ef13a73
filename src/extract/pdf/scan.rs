//! Extracts the image of a scanned page for vision models: the largest image on the page, as a JPEG if it is one and as
//! a PNG otherwise. Returns nothing for an image in an unsupported format.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use hayro_syntax::Filter;
use hayro_syntax::object::{Array, Dict, Name, Number, Object, Stream, String as Bytes};

use super::attachments::Attachments;
use super::interpret::{self, Fonts};
use super::layers::Layers;
use crate::extract::{MAX_PICTURE_BYTES, MAX_PICTURE_SIDE};

/// Maximum size of a decoded image in pixels. An A0 page at 500 dots per inch has fewer.
const MAX_PIXELS: u64 = 400_000_000;

/// The image of a scanned page, as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedImage {
    /// Media type: `image/jpeg` or `image/png`.
    pub media_type: &'static str,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// Returns the largest image on page `page`, counted from 1; `None` if there is no page or no image that can be
/// extracted.
pub fn page_image(bytes: &[u8], page: u32) -> Option<ScannedImage> {
    let pdf = super::open(bytes).ok()?;
    let page = pdf.pages().get(page.checked_sub(1)? as usize)?;
    let (layers, mut files) = (Layers::read(&pdf), Attachments::default());
    let (_, stream) =
        interpret::interpret_page(page, &mut Fonts::new(), &layers, &mut files).largest_image?;
    let image = ScanImage::read(&stream)?;
    match stream.filters().last() {
        Some(Filter::DctDecode) => jpeg_image(&stream, &image),
        Some(Filter::CcittFaxDecode) => decode_fax(&stream, &image),
        Some(Filter::Jbig2Decode | Filter::JpxDecode) => None,
        _ => {
            let bytes = stream.decoded_data().ok()?;
            image.to_png(&bytes)
        }
    }
}

/// Returns whether `page_image` can return this image: JBIG2 and JPEG 2000 are not decoded.
pub fn is_decodable(stream: &Stream<'_>) -> bool {
    ScanImage::read(stream).is_some_and(|image| match stream.filters().last() {
        Some(Filter::DctDecode) => is_plain_jpeg(stream, &image),
        Some(Filter::CcittFaxDecode) => stream.filters().len() == 1,
        Some(Filter::Jbig2Decode | Filter::JpxDecode) => false,
        _ => true,
    })
}

/// Returns a JPEG unchanged; `None` for a CMYK JPEG, whose colors would be wrong.
fn jpeg_image(stream: &Stream<'_>, image: &ScanImage) -> Option<ScannedImage> {
    is_plain_jpeg(stream, image).then(|| ScannedImage {
        media_type: "image/jpeg",
        bytes: stream.raw_data().into_owned(),
    })
}

fn is_plain_jpeg(stream: &Stream<'_>, image: &ScanImage) -> bool {
    let bytes = stream.raw_data();
    stream.filters().len() == 1
        && bytes.starts_with(b"\xFF\xD8")
        && bytes.len() <= MAX_PICTURE_BYTES
        && image.width.max(image.height) <= MAX_PICTURE_SIDE
        && !matches!(image.colors, Colors::Cmyk)
}

/// How samples are converted to colors.
#[derive(Debug, Clone, PartialEq)]
enum Colors {
    Grayscale,
    Rgb,
    /// Cyan, magenta, yellow, and black (CMYK).
    Cmyk,
    /// A palette: the red, green, and blue values of each entry.
    Palette(Vec<u8>),
}

#[derive(Debug, PartialEq)]
struct ScanImage {
    width: u32,
    height: u32,
    bits: u32,
    colors: Colors,
    /// Whether low samples are light.
    inverted: bool,
}

impl ScanImage {
    fn read(stream: &Stream<'_>) -> Option<Self> {
        let dict = stream.dict();
        let (width, height) = (dict.get::<u32>("Width")?, dict.get::<u32>("Height")?);
        let mask = dict.get::<bool>("ImageMask").unwrap_or(false);
        let bits = if mask {
            1
        } else {
            dict.get::<u32>("BitsPerComponent").unwrap_or(8)
        };
        let is_valid_size =
            width > 0 && height > 0 && u64::from(width) * u64::from(height) <= MAX_PIXELS;
        let colors = match dict.get::<Object<'_>>("ColorSpace") {
            Some(space) if !mask => colors(space, 0)?,
            _ => Colors::Grayscale,
        };
        let decode = dict.get::<Array<'_>>("Decode");
        let first = decode.and_then(|array| array.iter::<Number>().next());
        (is_valid_size && matches!(bits, 1 | 2 | 4 | 8)).then(|| Self {
            width,
            height,
            bits,
            colors,
            inverted: first.is_some_and(|first| first.as_f64() > 0.5),
        })
    }

    fn component_count(&self) -> usize {
        match self.colors {
            Colors::Grayscale | Colors::Palette(_) => 1,
            Colors::Rgb => 3,
            Colors::Cmyk => 4,
        }
    }

    /// Encodes a PNG row by row. An image that exceeds the maximum size is reduced: only every nth row and column is
    /// kept, for the smallest n that suffices.
    fn to_png(&self, samples: &[u8]) -> Option<ScannedImage> {
        let stride =
            (self.width as usize * self.component_count() * self.bits as usize).div_ceil(8);
        // The missing part of a truncated image is white, as a scanner would leave it.
        let rows = (samples.len() / stride).min(self.height as usize);
        if rows == 0 {
            return None;
        }
        let mut step = self
            .width
            .max(self.height)
            .div_ceil(MAX_PICTURE_SIDE)
            .max(1) as usize;
        while step < 64 {
            let bytes = self.encode_png(samples, rows, stride, step)?;
            if bytes.len() <= MAX_PICTURE_BYTES {
                return Some(ScannedImage {
                    media_type: "image/png",
                    bytes,
                });
            }
            step += 1;
        }
        None
    }

    fn encode_png(
        &self,
        samples: &[u8],
        rows: usize,
        stride: usize,
        step: usize,
    ) -> Option<Vec<u8>> {
        let gray = matches!(self.colors, Colors::Grayscale);
        let width = (self.width as usize).div_ceil(step);
        let height = rows.div_ceil(step);
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut line = Vec::with_capacity(1 + 3 * width);
        for row in (0..rows).step_by(step) {
            let row = &samples[row * stride..(row + 1) * stride];
            line.clear();
            line.push(0);
            for column in (0..self.width as usize).step_by(step) {
                if gray {
                    line.push(self.darkest_pixel(row, column, step));
                } else {
                    line.extend(self.rgb(row, column));
                }
            }
            packed.write_all(&line).ok()?;
        }
        let packed = packed.finish().ok()?;
        let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
        let mut head = Vec::with_capacity(13);
        head.extend((width as u32).to_be_bytes());
        head.extend((height as u32).to_be_bytes());
        head.extend([8, if gray { 0 } else { 2 }, 0, 0, 0]);
        for (name, body) in [(b"IHDR", &head), (b"IDAT", &packed), (b"IEND", &Vec::new())] {
            write_png_chunk(&mut file, name, body);
        }
        Some(file)
    }

    /// Returns the brightness of a gray pixel in the reduced image. This is the darkest of the columns that it covers,
    /// because thin lines would disappear otherwise.
    fn darkest_pixel(&self, row: &[u8], column: usize, step: usize) -> u8 {
        (column..(column + step).min(self.width as usize))
            .map(|column| self.brightness(sample(row, column, self.bits)))
            .min()
            .unwrap_or(255)
    }

    fn brightness(&self, value: u8) -> u8 {
        let max_value = (1u16 << self.bits) - 1;
        let lightness = (u16::from(value) * 255 / max_value) as u8;
        if self.inverted {
            255 - lightness
        } else {
            lightness
        }
    }

    fn rgb(&self, row: &[u8], column: usize) -> [u8; 3] {
        let part = |index: usize| sample(row, column * self.component_count() + index, self.bits);
        match &self.colors {
            Colors::Grayscale => [self.brightness(part(0)); 3],
            Colors::Rgb => [0, 1, 2].map(|index| self.brightness(part(index))),
            Colors::Cmyk => {
                let ink = 255 - u16::from(self.brightness(part(3)));
                [0, 1, 2].map(|index| {
                    let color = 255 - u16::from(self.brightness(part(index)));
                    (color * ink / 255) as u8
                })
            }
            Colors::Palette(entries) => {
                let at = 3 * usize::from(part(0));
                [0, 1, 2].map(|index| entries.get(at + index).copied().unwrap_or(255))
            }
        }
    }
}

fn sample(row: &[u8], index: usize, bits: u32) -> u8 {
    let bits = bits as usize;
    let at = index * bits;
    let byte = row.get(at / 8).copied().unwrap_or(0xFF);
    if bits == 8 {
        return byte;
    }
    byte >> (8 - bits - at % 8) & ((1 << bits) - 1)
}

fn colors(space: Object<'_>, depth: usize) -> Option<Colors> {
    let by_name = |name: &[u8]| match name {
        b"DeviceGray" | b"G" | b"CalGray" => Some(Colors::Grayscale),
        b"DeviceRGB" | b"RGB" | b"CalRGB" => Some(Colors::Rgb),
        b"DeviceCMYK" | b"CMYK" => Some(Colors::Cmyk),
        _ => None,
    };
    let array = match space {
        Object::Name(name) => return by_name(&name),
        Object::Array(array) if depth < 4 => array,
        _ => return None,
    };
    let mut parts = array.flex_iter();
    let family = parts.next::<Name<'_>>()?;
    match &*family {
        b"ICCBased" => match parts.next::<Stream<'_>>()?.dict().get::<u32>("N")? {
            1 => Some(Colors::Grayscale),
            3 => Some(Colors::Rgb),
            4 => Some(Colors::Cmyk),
            _ => None,
        },
        b"Indexed" | b"I" => {
            let base = colors(parts.next::<Object<'_>>()?, depth + 1)?;
            parts.next::<Number>()?;
            let entries = match parts.next::<Object<'_>>()? {
                Object::String(bytes) => Bytes::as_bytes(&bytes).to_vec(),
                Object::Stream(stream) => stream.decoded_data().ok()?.into_owned(),
                _ => return None,
            };
            match base {
                Colors::Rgb => Some(Colors::Palette(entries)),
                Colors::Grayscale => Some(Colors::Palette(
                    entries.iter().flat_map(|&gray| [gray; 3]).collect(),
                )),
                _ => None,
            }
        }
        name => by_name(name),
    }
}

/// Decodes a black-and-white page with fax compression.
fn decode_fax(stream: &Stream<'_>, image: &ScanImage) -> Option<ScannedImage> {
    if stream.filters().len() != 1 {
        return None;
    }
    let dict = stream.dict();
    let settings = dict
        .get::<Dict<'_>>("DecodeParms")
        .or_else(|| {
            dict.get::<Array<'_>>("DecodeParms")?
                .iter::<Dict<'_>>()
                .next()
        })
        .unwrap_or_default();
    let flag = |key: &str, default: bool| settings.get::<bool>(key).unwrap_or(default);
    let columns = settings.get::<u32>("Columns").unwrap_or(1_728);
    if u64::from(columns) * u64::from(image.height) > MAX_PIXELS {
        return None;
    }
    let mut rows = Rows {
        columns,
        max_rows: image.height as usize,
        black: if flag("BlackIs1", false) { 0xFF } else { 0 },
        bytes: Vec::new(),
        count: 0,
    };
    let mut context = DecoderContext::new(DecodeSettings {
        columns,
        rows: image.height,
        end_of_block: flag("EndOfBlock", true),
        end_of_line: flag("EndOfLine", false),
        rows_are_byte_aligned: flag("EncodedByteAlign", false),
        encoding: match settings.get::<i32>("K").unwrap_or(0) {
            ..0 => EncodingMode::Group4,
            0 => EncodingMode::Group3_1D,
            _ => EncodingMode::Group3_2D,
        },
        strict: false,
    });
    // Rows decoded before an error are kept.
    let _ = hayro_ccitt::decode(&stream.raw_data(), &mut rows, &mut context);
    let packed = ScanImage {
        width: columns,
        height: rows.count as u32,
        bits: 1,
        colors: Colors::Grayscale,
        inverted: image.inverted,
    };
    packed.to_png(&rows.bytes)
}

/// Collects rows with eight pixels per byte.
struct Rows {
    columns: u32,
    max_rows: usize,
    /// The byte for eight black pixels.
    black: u8,
    bytes: Vec<u8>,
    count: usize,
}

impl hayro_ccitt::Decoder for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        if self.count >= self.max_rows {
            return;
        }
        self.count += 1;
        let start = self.bytes.len();
        self.bytes
            .resize(start + (self.columns as usize).div_ceil(8), !self.black);
        let row = &mut self.bytes[start..];
        for span in changes.chunks(2) {
            let end = span
                .get(1)
                .copied()
                .unwrap_or(self.columns)
                .min(self.columns);
            for pixel in span[0]..end {
                row[pixel as usize / 8] ^= 0x80 >> (pixel % 8);
            }
        }
    }
}

fn write_png_chunk(file: &mut Vec<u8>, name: &[u8; 4], body: &[u8]) {
    file.extend((body.len() as u32).to_be_bytes());
    file.extend(name);
    file.extend(body);
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(body);
    file.extend(sum.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bits: u32, colors: Colors) -> ScanImage {
        ScanImage {
            width: 4,
            height: 2,
            bits,
            colors,
            inverted: false,
        }
    }

    #[test]
    fn samples_become_colors() {
        let row = [0b1001_0000];
        assert_eq!(sample(&row, 0, 1), 1);
        assert_eq!(sample(&row, 1, 2), 0b01);
        assert_eq!(sample(&row, 0, 4), 0b1001);
        let gray = image(1, Colors::Grayscale);
        assert_eq!((gray.brightness(0), gray.brightness(1)), (0, 255));
        assert_eq!(gray.darkest_pixel(&row, 0, 1), 255);
        assert_eq!(
            gray.darkest_pixel(&row, 0, 2),
            0,
            "the darkest of those that are left out"
        );
        let print = image(8, Colors::Cmyk);
        assert_eq!(print.rgb(&[0, 0, 0, 0], 0), [255; 3]);
        assert_eq!(print.rgb(&[0, 0, 0, 255], 0), [0; 3]);
        let palette = image(2, Colors::Palette(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(palette.rgb(&[0b0100_1100], 0), [4, 5, 6]);
        assert_eq!(palette.rgb(&[0b0100_1100], 2), [255; 3]);
    }

    #[test]
    fn a_png_states_its_size() {
        let png = image(8, Colors::Grayscale)
            .to_png(&[0, 64, 128, 255, 1, 2, 3, 4])
            .expect("a picture");
        let header = crate::extract::picture::parse_header(&png.bytes).expect("a picture");
        assert_eq!((header.width, header.height), (4, 2));
        assert_eq!(image(8, Colors::Grayscale).to_png(&[0, 1]), None);
    }
}
