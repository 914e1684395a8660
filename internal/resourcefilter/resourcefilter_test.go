// SPDX-License-Identifier: Apache-2.0

package resourcefilter_test

import (
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
)

func TestIn(t *testing.T) {
	t.Parallel()
	volumes := resourcefilter.Resource{Name: "persistentvolumes", Aliases: []string{"persistentvolume", "pv"}}
	tests := []struct {
		name               string
		included, excluded []string
		want               bool
	}{
		{name: "without lists all are in", want: true},
		{name: "a star includes all", included: []string{"*"}, want: true},
		{name: "a name includes it", included: []string{"pods", "persistentvolumes"}, want: true},
		{name: "so does an alias, in any case", included: []string{"PV"}, want: true},
		{name: "so does a pattern", included: []string{"persistentvolume*"}, want: true},
		{name: "the names of others leave it out", included: []string{"pods"}},
		{name: "it is excluded by its name", excluded: []string{"persistentvolumes"}},
		{name: "it is excluded by an alias, though it is included", included: []string{"*"}, excluded: []string{"pv"}},
		{name: "a star excludes all", excluded: []string{"*"}},
		{name: "the exclusion of others leaves it in", excluded: []string{"pods"}, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := volumes.In(tt.included, tt.excluded); got != tt.want {
				t.Errorf("In(%q, %q) is %v, want %v", tt.included, tt.excluded, got, tt.want)
			}
		})
	}
}
