//! The GPU models: one row each.

/// One model, or one variant of a model.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Its name in requirements, offers and tables.
    pub name: &'static str,
    /// The model of which it is a variant: who asks for that one takes this one too.
    pub variant_of: Option<&'static str>,
    /// The sizes of memory it is sold with, in GB as printed on the box, ascending.
    pub printed_gb: &'static [u16],
    /// What drivers call it, where that is not its name: letters and digits in lower case, without the words of
    /// [`super::spelling::NOISE`] and without the memory.
    pub drivers: &'static [&'static str],
}

const fn model(name: &'static str, printed_gb: &'static [u16]) -> Model {
    Model { name, variant_of: None, printed_gb, drivers: &[] }
}

impl Model {
    const fn variant_of(self, name: &'static str) -> Self {
        Self { variant_of: Some(name), ..self }
    }

    const fn driver(self, drivers: &'static [&'static str]) -> Self {
        Self { drivers, ..self }
    }
}

/// All models. The position is a model's number on the chain and its bit in a requirement's mask of 128: rows are only ever
/// appended, and none is renamed.
pub const TABLE: [Model; 111] = [
    model("other", &[]),
    model("h100", &[80, 94, 96]),
    model("h200", &[141]),
    // Printed as 180 and as 192 GB, and reported as 183,359 MiB: who asks for either gets it.
    model("b200", &[192]).driver(&["b200sxm6"]),
    model("b300", &[288]).driver(&["b300sxm6ac"]),
    model("gb200", &[192]),
    model("gh200", &[96, 144]),
    model("a100", &[40, 80]),
    model("a40", &[48]),
    model("a30", &[24]),
    model("a10", &[24]),
    model("a16", &[16]),
    model("l40s", &[48]),
    model("l40", &[48]),
    model("l4", &[24]),
    model("t4", &[16]),
    model("v100", &[16, 32]),
    model("p100", &[12, 16]).driver(&["p100pcie", "p100sxm2"]),
    model("rtx-pro-6000", &[96]),
    model("rtx-6000-ada", &[48]),
    model("rtx-a6000", &[48]),
    model("rtx-a5000", &[24]),
    model("rtx-5090", &[32]),
    model("rtx-5080", &[16]),
    model("rtx-4090", &[24]),
    model("rtx-4080", &[16]),
    model("rtx-3090", &[24]),
    model("rtx-3080", &[10, 12]),
    model("rtx-a4000", &[16]),
    model("rtx-2080-ti", &[11]),
    // What follows came with the second edition.
    model("h100-sxm", &[80, 96]).variant_of("h100").driver(&["h100hbm3", "h100sxm5", "h100sxm5hbm3"]),
    model("h100-pcie", &[80]).variant_of("h100").driver(&["h100pciehbm2e"]),
    model("h100-nvl", &[94]).variant_of("h100"),
    model("h200-sxm", &[141]).variant_of("h200").driver(&["h200", "h200sxm5"]),
    model("h200-nvl", &[141]).variant_of("h200"),
    model("a100-sxm", &[40, 80]).variant_of("a100").driver(&["a100sxm4"]),
    model("a100-pcie", &[40, 80]).variant_of("a100"),
    model("v100-sxm", &[16, 32]).variant_of("v100").driver(&["v100sxm2", "v100sxm3"]),
    model("v100-pcie", &[16, 32]).variant_of("v100").driver(&["v100fhhl", "v100spcie"]),
    model("gb300", &[288]),
    model("h20", &[96, 141]),
    model("h800", &[80]).driver(&["h800pcie", "h800sxm5"]),
    model("a800", &[40, 80]).driver(&["a800sxm4", "a800pcie"]),
    model("a10g", &[24]),
    model("a2", &[16]),
    model("l20", &[48]),
    model("l2", &[24]),
    model("p40", &[24]),
    model("p4", &[8]),
    model("m40", &[12, 24]),
    model("gb10", &[128]),
    model("rtx-pro-6000-server", &[96]).variant_of("rtx-pro-6000"),
    model("rtx-pro-6000-workstation", &[96]).variant_of("rtx-pro-6000"),
    model("rtx-pro-6000-max-q", &[96]).variant_of("rtx-pro-6000").driver(&["rtxpro6000maxqworkstation"]),
    model("rtx-pro-5000", &[48, 72]),
    model("rtx-pro-4500", &[32]),
    model("rtx-pro-4000", &[24]),
    model("rtx-pro-2000", &[16]),
    model("rtx-5000-ada", &[32]),
    model("rtx-4500-ada", &[24]),
    model("rtx-4000-ada", &[20]),
    model("rtx-4000-sff-ada", &[20]),
    model("rtx-2000-ada", &[16]),
    model("rtx-a5500", &[24]),
    model("rtx-a4500", &[20]),
    model("rtx-a2000", &[6, 12]),
    // `rtx6000` alone could be this one or the one of the Ada generation: a requirement must say which.
    model("quadro-rtx-8000", &[48]),
    model("quadro-rtx-6000", &[24]),
    model("quadro-rtx-5000", &[16]),
    model("quadro-rtx-4000", &[8]),
    model("titan-rtx", &[24]),
    model("titan-v", &[12]),
    model("titan-xp", &[12]),
    model("rtx-5090-d", &[24, 32]).driver(&["rtx5090dv2"]),
    model("rtx-5070-ti", &[16]),
    model("rtx-5070", &[12]),
    model("rtx-5060-ti", &[8, 16]),
    model("rtx-5060", &[8]),
    model("rtx-5050", &[8]),
    model("rtx-4090-d", &[24]),
    model("rtx-4080-super", &[16]),
    model("rtx-4070-ti-super", &[16]),
    model("rtx-4070-ti", &[12]),
    model("rtx-4070-super", &[12]),
    model("rtx-4070", &[12]),
    model("rtx-4060-ti", &[8, 16]),
    model("rtx-4060", &[8]),
    model("rtx-3090-ti", &[24]),
    model("rtx-3080-ti", &[12]),
    model("rtx-3070-ti", &[8]),
    model("rtx-3070", &[8]),
    model("rtx-3060-ti", &[8]),
    model("rtx-3060", &[8, 12]),
    model("rtx-3050", &[6, 8]),
    model("rtx-2080-super", &[8]),
    model("rtx-2080", &[8]),
    model("rtx-2070-super", &[8]),
    model("rtx-2070", &[8]),
    model("rtx-2060-super", &[8]),
    model("rtx-2060", &[6, 12]),
    model("gtx-1660-ti", &[6]),
    model("gtx-1660-super", &[6]),
    model("gtx-1660", &[6]),
    model("gtx-1650", &[4]),
    model("gtx-1080-ti", &[11]),
    model("gtx-1080", &[8]),
    model("gtx-1070-ti", &[8]),
    model("gtx-1070", &[8]),
    model("gtx-1060", &[3, 6]),
    model("rtx-5090-laptop", &[24]),
    model("rtx-4090-laptop", &[16]),
];
