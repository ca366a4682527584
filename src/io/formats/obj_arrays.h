// The lines of an OBJ that name vertices, texture coordinates and normals.
#pragma once

#include "assets/mesh.h"
#include "io/formats/byte_writer.h"

namespace espalier {

// In the order of the mesh, Y up; `colours`: with the mesh's colours behind the vertices.
void put_obj_arrays(ByteWriter& out, const Mesh& mesh, bool colours);

}  // namespace espalier
