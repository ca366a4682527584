// Zip archives in memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "io/formats/named_file.h"

namespace espalier {

// An archive as APPNOTE.TXT 2.0 describes it, in the order given, names in UTF-8; a member is deflated where that makes it
// smaller, else stored. Dates are those of 1980, so the same files give the same bytes. Throws invalid_argument when a name
// is empty, absolute, repeated or leads outside, and when a member or the archive reaches 4 GiB, which would need zip64.
[[nodiscard]] std::vector<std::byte> encode_zip(std::span<const NamedFile> files);

// The same with all members stored, the bytes of each beginning at a multiple of `alignment` (4 to 4096): an extra field of
// zeros in the local headers fills the gaps. USDZ wants 64.
[[nodiscard]] std::vector<std::byte> encode_stored_zip(std::span<const NamedFile> files, std::size_t alignment);

}  // namespace espalier
