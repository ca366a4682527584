#include "models/trellis/flow_settings.h"

namespace espalier {

FlowTransformerConfig flow_transformer_of(Arguments& args) {
  const TransformerShape shape = transformer_shape(args);
  FlowTransformerConfig c;
  c.channels = shape.channels;
  c.heads = shape.heads;
  c.hidden = shape.hidden;
  c.condition_channels = args.integer("cond_channels", 1, 65536);
  c.blocks = args.integer("num_blocks", 0, 1024);
  c.share_mod = args.flag_or("share_mod", false);
  c.qk_rms_norm = args.flag_or("qk_rms_norm", false);
  c.qk_rms_norm_cross = args.flag_or("qk_rms_norm_cross", false);
  if (args.text_or("pe_mode", "ape") != "ape") {
    fail(ErrorCode::unsupported, args.where(), ": pe_mode ", args.text_or("pe_mode", ""), " is not supported",
         hint("only ape is"));
  }
  args.ignore("use_fp16");
  args.ignore("use_checkpoint");
  args.finish();
  return c;
}

}  // namespace espalier
