// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"strings"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simhbr "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/hbr"
)

func TestWhichVaultABackupGoesInto(t *testing.T) {
	t.Parallel()
	vaultOf := func(id, name, region string) simhbr.VaultConfig {
		return simhbr.VaultConfig{ID: id, Name: name, Account: "1000000000000001", Region: region}
	}
	for name, test := range map[string]struct {
		vaults []simhbr.VaultConfig
		config map[string]string
		want   string // Empty for a new one.
	}{
		"there is none":                   {},
		"there is one of another name":    {vaults: []simhbr.VaultConfig{vaultOf("v-1", "other", home)}},
		"there is one whose name has it":  {vaults: []simhbr.VaultConfig{vaultOf("v-1", theVault+"-old", home)}},
		"there is one in another region":  {vaults: []simhbr.VaultConfig{vaultOf("v-1", theVault, "cn-beijing")}},
		"there is one of the name":        {vaults: []simhbr.VaultConfig{vaultOf("v-1", theVault, home), vaultOf("v-2", "other", home)}, want: "v-1"},
		"there are two of the name":       {vaults: []simhbr.VaultConfig{vaultOf("v-2", theVault, home), vaultOf("v-1", theVault, home)}, want: "v-1"},
		"the location names another one":  {vaults: []simhbr.VaultConfig{vaultOf("v-1", theVault, home), vaultOf("v-2", "mine", home)}, config: map[string]string{"vaultName": "mine"}, want: "v-2"},
		"the location names one by an id": {vaults: []simhbr.VaultConfig{vaultOf("v-1", theVault, home), vaultOf("v-2", "mine", home)}, config: map[string]string{"vaultId": "v-2"}, want: "v-2"},
		"a new one has a key":             {config: map[string]string{"kmsKeyId": "key-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.config, func(c *cloudsim.Config) { c.HBR.Vaults = test.vaults })
			w.fill(t, "app")
			pv := nasDirectory("nas-1", "/app")
			w.create(t, pv)
			id, err := parseSnapshotID(w.backUp(t, w.Snapshotter, pv))
			if err != nil {
				t.Fatal(err)
			}
			all := w.sim.HBR().Vaults()
			if made := len(all) - len(test.vaults); test.want == "" && made != 1 || test.want != "" && (made != 0 || id.vault != test.want) {
				t.Errorf("the backup goes into %s of %+v, want %q", id.vault, all, test.want)
			}
			if got := all[len(all)-1].KMSKeyID; got != test.config["kmsKeyId"] {
				t.Errorf("the vault has the key %q", got)
			}
		})
	}
}

func TestTheNextBackupMakesADeletedVaultAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.fill(t, "app")
	pv := nasDirectory("nas-1", "/app")
	old := w.backedUp(t, pv)
	w.End(t.Context())
	if err := w.sim.HBR().DeleteVault(w.sim.HBR().Vaults()[0].ID); err != nil {
		t.Fatal(err)
	}
	id := w.backUp(t, w.process(t), pv)
	if _, err := parseSnapshotID(id); err != nil {
		t.Error(err)
	}
	if got := len(w.sim.HBR().Vaults()); got != 1 {
		t.Errorf("%d vaults, want one", got)
	}
	if _, err := w.CreateVolumeFromSnapshot(old, "", "", nil); err == nil || !strings.Contains(err.Error(), vaultDeleted) {
		t.Errorf("restoring the old backup gives the error %v", err)
	}
}
