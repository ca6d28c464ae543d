//! The object file that a program's bytecode is made of: its code, its functions, and from which lines they come.

use std::collections::HashMap;

use addr2line::gimli::{self, EndianSlice, LittleEndian};
use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SymbolKind};

/// What the debug information is read with.
pub type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// An object file. Its parts of code are put behind each other, as the linker does; an address is a place in all of them.
pub struct Object {
    /// The code.
    pub code: Vec<u8>,
    /// Addresses at which functions begin, in order.
    pub functions: Vec<u64>,
    debug: HashMap<String, Vec<u8>>,
}

impl Object {
    /// Reads an object file.
    ///
    /// # Errors
    /// It is none, or has no debug information.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let file = object::File::parse(bytes).context("it is no object file")?;
        let mut bases = HashMap::new();
        let mut code = Vec::new();
        for section in file.sections().filter(|section| section.name().is_ok_and(|name| name.starts_with(".text"))) {
            bases.insert(section.index(), code.len() as u64);
            code.extend_from_slice(section.data().context("a part of its code cannot be read")?);
        }
        let place = |section: Option<SectionIndex>| section.and_then(|section| bases.get(&section)).copied();
        let starts = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let mut functions: Vec<u64> =
            starts.filter_map(|symbol| Some(place(symbol.section_index())? + symbol.address())).collect();
        functions.sort_unstable();
        functions.dedup();
        let mut debug = HashMap::new();
        for section in file.sections() {
            let Some(name) = section.name().ok().filter(|name| name.starts_with(".debug_")) else { continue };
            debug.insert(name.to_owned(), relocated(&file, &section, &place)?);
        }
        Ok(Self { code, functions, debug })
    }

    /// Looks lines and functions up.
    ///
    /// # Errors
    /// The debug information is not valid, or there is none.
    pub fn lookup(&self) -> Result<addr2line::Context<Reader<'_>>> {
        let section = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
            Ok(EndianSlice::new(self.debug.get(id.name()).map(Vec::as_slice).unwrap_or_default(), LittleEndian))
        };
        anyhow::ensure!(self.debug.contains_key(".debug_line"), "it has no debug information");
        let dwarf = gimli::Dwarf::load(section).context("its debug information cannot be read")?;
        addr2line::Context::from_dwarf(dwarf).context("its debug information cannot be read")
    }
}

/// A section with its references to other places filled in.
fn relocated<'a>(
    file: &object::File<'a>,
    section: &object::Section<'a, '_>,
    place: &impl Fn(Option<SectionIndex>) -> Option<u64>,
) -> Result<Vec<u8>> {
    let mut bytes = section.data().context("its debug information cannot be read")?.to_vec();
    for (at, relocation) in section.relocations() {
        let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
        let symbol = file.symbol_by_index(symbol).context("a reference leads nowhere")?;
        // Places in other debug sections count from their beginning.
        let target = place(symbol.section_index()).unwrap_or(0).wrapping_add(symbol.address());
        let at = usize::try_from(at).context("a reference is outside of the file")?;
        // What is there already is added. References are of 64 or 32 bits; the format calls some of them otherwise.
        let wide = relocation.size() == 64;
        if let Some(value) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<8>()).filter(|_| wide) {
            *value = u64::from_le_bytes(*value).wrapping_add(target).to_le_bytes();
        } else if let Some(value) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            let sum = u64::from(u32::from_le_bytes(*value)).wrapping_add(target);
            *value = (sum as u32).to_le_bytes();
        }
    }
    Ok(bytes)
}
