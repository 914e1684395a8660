// SPDX-License-Identifier: Apache-2.0

package sites_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/sites"
)

type site struct{ region string }

var errMalformed = errors.New("malformed")

func open(config map[string]string) (*site, error) {
	if config["region"] == "" {
		return nil, errMalformed
	}
	return &site{config["region"]}, nil
}

func TestEqualConfigsHaveTheSameSite(t *testing.T) {
	t.Parallel()
	all := sites.New(open)
	if _, err := all.Current(); !errors.Is(err, sites.ErrNotInitialised) {
		t.Errorf("error %v before Init", err)
	}
	config := func(region string) map[string]string { return map[string]string{"region": region, "network": "vpc"} }
	if err := all.Init(config("a")); err != nil {
		t.Fatal(err)
	}
	first, err := all.Current()
	if err != nil {
		t.Fatal(err)
	}
	other, err := all.At(config("b"))
	if err != nil || other == first {
		t.Errorf("site %v of another config, error %v", other, err)
	}
	if again, err := all.At(config("a")); err != nil || again != first {
		t.Errorf("site %p of an equal config, error %v, want %p", again, err, first)
	}
	if current, err := all.Current(); err != nil || current != first {
		t.Errorf("current site %v, error %v, want that of Init", current, err)
	}
	if diff := cmp.Diff([]*site{{"a"}, {"b"}}, all.All(), cmp.AllowUnexported(site{})); diff != "" {
		t.Errorf("sites (-want +got):\n%s", diff)
	}
}

func TestAFailedInitLeavesNoSite(t *testing.T) {
	t.Parallel()
	all := sites.New(open)
	if err := all.Init(map[string]string{"region": "a"}); err != nil {
		t.Fatal(err)
	}
	if err := all.Init(nil); !errors.Is(err, errMalformed) {
		t.Errorf("error %v", err)
	}
	if found, err := all.Current(); !errors.Is(err, sites.ErrNotInitialised) {
		t.Errorf("site %v, error %v", found, err)
	}
}
