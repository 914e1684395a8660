// SPDX-License-Identifier: Apache-2.0

package document_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/document"
)

const page = "# Locations\n" +
	"\n" +
	"## Keys\n" +
	"\n" +
	"| Key | Default |\n" +
	"|---|---|\n" +
	"| `zone`, `region` | `none` |\n" +
	"| `bucket` | |\n" +
	"| all others | `refused` |\n" +
	"\n" +
	"```yaml\n" +
	"# A location.\n" +
	"  config:\n" +
	"    # In seconds.\n" +
	"    # timeout: 3\n" +
	"    region: cn-hangzhou\n" +
	"```\n" +
	"\n" +
	"### Defaults\n" +
	"None.\n" +
	"## Messages\n" +
	"Many.\n"

func TestSection(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	keys := document.Section(t, file, "Keys")
	for name, c := range map[string]struct{ got, want any }{
		"the next section ends one, and neither one in it nor a comment in an example": {
			keys, page[len("# Locations\n\n## Keys\n") : len(page)-len("## Messages\nMany.\n")],
		},
		"a section in another one, which the next of those ends": {document.Section(t, file, "Defaults"), "None.\n"},
		"the last section":                       {document.Section(t, file, "Messages"), "Many.\n"},
		"code of the first column alone, sorted": {document.FirstColumn(keys), []string{"bucket", "region", "zone"}},
		"examples of a language":                 {document.Examples(keys, "yaml"), []string{"# A location.\n  config:\n    # In seconds.\n    # timeout: 3\n    region: cn-hangzhou\n"}},
		"no examples of another language":        {document.Examples(keys, "json"), []string{}},
		"keys that are commented out, but neither text nor what is not of the configuration": {
			document.WithOptionalKeys("    # caCert: LS0t\n  config:\n    # In seconds.\n    # timeout: 3\n"),
			"    # caCert: LS0t\n  config:\n    # In seconds.\n    timeout: 3\n",
		},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
