// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// maxVaults is how many vaults an account may have, see the reference of CreateVault.
const maxVaults = 100

// The parameters that more than one operation has.
const (
	paramVaultID    = "VaultId"
	paramSourceType = "SourceType"
)

// Statuses of vaults.
const (
	vaultInitializing = "INITIALIZING"
	vaultCreated      = "CREATED"
	vaultError        = "ERROR"
)

const (
	standard          = "STANDARD"
	encryptHBRPrivate = "HBR_PRIVATE"
	encryptKMS        = "KMS"
)

type vault struct {
	resource
	name, description string
	// kmsKeyID is empty for a vault that is encrypted by the service's own key.
	kmsKeyID string
	// ready is when the vault has been initialized.
	ready time.Time
	// broken says that the initialization does not succeed.
	broken bool
}

func (v *vault) status(now time.Time) string {
	switch {
	case now.Before(v.ready):
		return vaultInitializing
	case v.broken:
		return vaultError
	default:
		return vaultCreated
	}
}

func (s *Service) vaultOperations() []operation {
	return []operation{
		{
			action: "CreateVault", target: "VaultName", handle: s.createVault,
			lacks: []string{"Replication", "WormEnabled"},
		},
		{
			action: "DescribeVaults", target: paramVaultID, handle: s.describeVaults,
			lacks: []string{"Replication", "ResourceGroupId", "Tag", "VaultOwnerId"},
		},
		{action: "DeleteVault", target: paramVaultID, handle: s.deleteVault, lacks: []string{"ResourceGroupId"}},
	}
}

func (s *Service) createVault(r *request) (any, error) {
	v, err := s.readVault(r)
	if err != nil {
		return nil, err
	}
	mine := newestFirst(r, s.vaults, func(*vault) bool { return true })
	if len(mine) >= maxVaults {
		// Assumed: the reference gives the number, not the code.
		return nil, rpc.Forbidden("QuotaExceeded.Vault", "The number of vaults exceeds the upper limit.")
	}
	sameName := slices.ContainsFunc(mine, func(other *vault) bool { return other.name == v.name })
	if sameName && !s.config.AllowEqualVaultNames {
		// Assumed: names are unique in a region, and the error is that of any parameter that is not good.
		return nil, illegal("a vault of the name exists already")
	}
	v.resource = s.newResource(r, prefixVault)
	for _, rule := range s.cloud.Faults.Fire(FaultJobs, FaultInitVault, v.name) {
		v.ready = v.ready.Add(rule.Latency)
		v.broken = v.broken || rule.Status != 0
	}
	s.vaults[v.id] = v
	return map[string]string{paramVaultID: v.id, "TaskId": newID("t-")}, nil
}

func (s *Service) readVault(r *request) (*vault, error) {
	v := &vault{
		name: r.Params.String("VaultName"), description: r.Params.String("Description"),
		kmsKeyID: r.Params.String("KmsKeyId"), ready: r.now.Add(s.durations.Vault.Duration),
	}
	const maxName, maxDescription = 64, 255
	encryption := r.Params.String("EncryptType")
	switch {
	case r.Params.String("VaultRegionId") != r.Region:
		// Assumed: the endpoint of another region does not make the vault.
		return nil, illegal("VaultRegionId is not the region of the endpoint")
	case utf8.RuneCountInString(v.name) > maxName:
		return nil, illegal("VaultName is longer than 64 characters")
	case utf8.RuneCountInString(v.description) > maxDescription:
		return nil, illegal("Description is longer than 255 characters")
	case !oneOf(r.Params.String("VaultType"), standard):
		return nil, notSimulated("vaults of any type but " + standard)
	case !oneOf(r.Params.String("VaultStorageClass"), standard):
		return nil, illegal("VaultStorageClass is not " + standard)
	case !oneOf(encryption, encryptHBRPrivate, encryptKMS):
		return nil, illegal("EncryptType is neither HBR_PRIVATE nor KMS")
	case (encryption == encryptKMS) != (v.kmsKeyID != ""):
		return nil, illegal("KmsKeyId is for EncryptType KMS, and must be given with it")
	}
	return v, nil
}

// oneOf says whether a parameter was not given, or has one of the values.
func oneOf(value string, values ...string) bool {
	return value == "" || slices.Contains(values, value)
}

type vaultView struct {
	VaultID           string `json:"VaultId"`
	VaultName         string `json:"VaultName"`
	VaultRegionID     string `json:"VaultRegionId"`
	VaultType         string `json:"VaultType"`
	VaultStorageClass string `json:"VaultStorageClass"`
	Description       string `json:"Description"`
	Status            string `json:"Status"`
	EncryptType       string `json:"EncryptType"`
	KMSKeyID          string `json:"KmsKeyId,omitempty"`
	CreatedTime       int64  `json:"CreatedTime"`
	UpdatedTime       int64  `json:"UpdatedTime"`
	SnapshotCount     int64  `json:"SnapshotCount"`
	BytesDone         int64  `json:"BytesDone"`
}

func (s *Service) viewVault(v *vault, now time.Time) vaultView {
	view := vaultView{
		VaultID: v.id, VaultName: v.name, VaultRegionID: v.region, VaultType: standard, VaultStorageClass: standard,
		Description: v.description, Status: v.status(now), EncryptType: encryptHBRPrivate, KMSKeyID: v.kmsKeyID,
		CreatedTime: unix(v.created), UpdatedTime: unix(v.created),
	}
	if v.kmsKeyID != "" {
		view.EncryptType = encryptKMS
	}
	for _, item := range s.snapshots {
		if item.vault == v.id {
			view.SnapshotCount++
			view.BytesDone += item.bytes
		}
	}
	return view
}

type vaultsAnswer struct {
	pageAnswer
	Vaults struct {
		Vault []vaultView `json:"Vault"`
	} `json:"Vaults"`
}

// describeVaults lists the vaults of the endpoint's region. One that there is not is not in the list. The reference does not
// say whether VaultName is a whole name: it is part of one here, so that who asks has to look at what is listed.
func (s *Service) describeVaults(r *request) (any, error) {
	all := newestFirst(r, s.vaults, func(v *vault) bool {
		return strings.Contains(v.name, r.Params.String("VaultName")) && matchAll(r.Params, map[string]string{
			paramVaultID: v.id, "VaultRegionId": v.region, "Status": v.status(r.now),
			"VaultType": standard,
		})
	})
	some, paging, err := paginate(r.Params, all)
	if err != nil {
		return nil, err
	}
	result := vaultsAnswer{pageAnswer: paging}
	result.Vaults.Vault = []vaultView{}
	for _, v := range some {
		result.Vaults.Vault = append(result.Vaults.Vault, s.viewVault(v, r.now))
	}
	return result, nil
}

// matchAll says whether each filter was not given, or is for its value.
func matchAll(p rpc.Params, values map[string]string) bool {
	for name, value := range values {
		if given := p.String(name); given != "" && given != value {
			return false
		}
	}
	return true
}

// findVault finds the vault that a call names.
func (s *Service) findVault(r *request) (*vault, error) {
	id := r.Params.String(paramVaultID)
	v, ok := find(r, s.vaults, id)
	switch {
	case ok:
		return v, nil
	case id == "":
		// Assumed: the metadata of the API does not require the parameter, its reference does.
		return nil, illegal("VaultId is missing")
	case s.deletedVaults[id]:
		return nil, illegal("the vault has been deleted")
	default:
		return nil, vaultNotExist()
	}
}

// useVault finds the vault that a call names, which must be CREATED.
func (s *Service) useVault(r *request) (*vault, error) {
	v, err := s.findVault(r)
	if err != nil {
		return nil, err
	}
	switch v.status(r.now) {
	case vaultCreated:
		return v, nil
	case vaultError:
		return nil, initVaultError()
	default:
		// Assumed: "The backup vault can be used for backup jobs only when its status is CREATED" names no code.
		return nil, illegal("the vault is being initialized")
	}
}

func (s *Service) deleteVault(r *request) (any, error) {
	v, err := s.findVault(r)
	if err != nil {
		return nil, err
	}
	return nil, s.removeVault(v)
}

// removeVault deletes a vault with all that is in it. Assumed: plans and snapshots do not hold it.
func (s *Service) removeVault(v *vault) error {
	delete(s.vaults, v.id)
	s.deletedVaults[v.id] = true
	for id, p := range s.plans {
		if p.vault == v.id {
			delete(s.plans, id)
		}
	}
	var err error
	for _, b := range s.backups {
		if b.vault == v.id {
			err = errors.Join(err, s.removeBackup(b))
		}
	}
	for _, item := range s.snapshots {
		if item.vault == v.id {
			err = errors.Join(err, s.removeSnapshot(item))
		}
	}
	return err
}
