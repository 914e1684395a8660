// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
)

// vaultTimeout is how long a vault may take to become usable.
const vaultTimeout = 5 * time.Minute

// Statuses of vaults (DescribeVaults).
const (
	vaultCreated = "CREATED"
	vaultError   = "ERROR"
)

var (
	errNoVault     = errors.New("the vault is not there")
	errBrokenVault = errors.New("InitVaultError: the vault has the status " + vaultError)
)

// vaultKeeper holds the vault that a process has found or made.
type vaultKeeper struct {
	mu sync.Mutex
	id string
}

// vault is a backup vault.
type vault struct {
	id, name, status string
	created          int64
}

// usableVault returns the id of the location's vault, which can be used. One that has a
// name and is not there is made, unless the location says otherwise.
func (s *site) usableVault(ctx context.Context, api *alicloud.HBR) (string, error) {
	s.vaults.mu.Lock()
	defer s.vaults.mu.Unlock()
	if s.vaults.id != "" {
		return s.vaults.id, nil
	}
	id, err := s.findOrMakeVault(ctx, api)
	if err == nil {
		err = awaitVault(ctx, api, id)
	}
	if err != nil {
		return "", fail(checkingVault, "vault "+cmp.Or(s.vaultID, s.vaultName), err)
	}
	s.vaults.id = id
	return id, nil
}

func (s *site) findOrMakeVault(ctx context.Context, api *alicloud.HBR) (string, error) {
	if s.vaultID != "" {
		return s.vaultID, nil
	}
	find := func(ctx context.Context) (string, error) { return s.vaultOfName(ctx, api) }
	found, err := find(ctx)
	switch {
	case err != nil || found != "":
		return found, err
	case !s.createVault:
		return "", fmt.Errorf("%w, and may not be made (config key createVault)", errNoVault)
	}
	made, err := createOnce(ctx, api, func(ctx context.Context) (string, error) { return s.makeVault(ctx, api) }, find)
	if err != nil {
		return "", err
	}
	s.log.WithField("vault", made).Infof("The vault %s was made", s.vaultName)
	// Another backup may have made one at the same moment: all then use the same one.
	found, err = find(ctx)
	return cmp.Or(found, made), err
}

// vaultOfName returns the oldest vault of the location's name, one that is broken only
// if there is no other; "" for none.
func (s *site) vaultOfName(ctx context.Context, api *alicloud.HBR) (string, error) {
	found, err := listVaults(ctx, api, &alicloud.DescribeVaultsRequest{VaultName: tea.String(s.vaultName)})
	// Whether names that only contain it are listed too is not documented.
	found = slices.DeleteFunc(found, func(v vault) bool { return v.name != s.vaultName })
	if err != nil || len(found) == 0 {
		return "", err
	}
	isBroken := func(v vault) int {
		if v.status == vaultError {
			return 1
		}
		return 0
	}
	return slices.MinFunc(found, func(a, b vault) int {
		return cmp.Or(cmp.Compare(isBroken(a), isBroken(b)), cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id))
	}).id, nil
}

func (s *site) makeVault(ctx context.Context, api *alicloud.HBR) (string, error) {
	request := &sdk.CreateVaultRequest{
		VaultName: tea.String(s.vaultName), VaultRegionId: tea.String(api.Region()),
		VaultType: tea.String("STANDARD"), VaultStorageClass: tea.String("STANDARD"),
	}
	if s.kmsKeyID != "" {
		request.EncryptType, request.KmsKeyId = tea.String("KMS"), tea.String(s.kmsKeyID)
	}
	answer, err := api.CreateVault(ctx, request)
	if err != nil {
		return "", err
	}
	return tea.StringValue(answer.VaultId), nil
}

// awaitVault waits until a vault can be used.
func awaitVault(ctx context.Context, api *alicloud.HBR, id string) error {
	for since := api.Now(); ; {
		found, err := visible(ctx, api, func() (*vault, error) { return describeVault(ctx, api, id) })
		switch {
		case err != nil:
			return err
		case found == nil:
			return errNoVault
		case found.status == vaultCreated:
			return nil
		case found.status == vaultError:
			return errBrokenVault
		case api.Now().Sub(since) >= vaultTimeout:
			return fmt.Errorf("the vault is still %s after %s", found.status, vaultTimeout)
		}
		if err := api.Sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// describeVault returns the vault of an id, nil if it is not there.
func describeVault(ctx context.Context, api *alicloud.HBR, id string) (*vault, error) {
	request := &alicloud.DescribeVaultsRequest{}
	request.VaultId = tea.String(id)
	return first(listVaults(ctx, api, request))
}

func listVaults(ctx context.Context, api *alicloud.HBR, request *alicloud.DescribeVaultsRequest) ([]vault, error) {
	return pages(func(page int32) ([]vault, int64, error) {
		request.PageNumber, request.PageSize = tea.Int32(page), tea.Int32(maxPage)
		answer, err := api.DescribeVaults(ctx, request)
		if err != nil || answer.Vaults == nil {
			return nil, 0, err
		}
		found := make([]vault, 0, len(answer.Vaults.Vault))
		for _, v := range answer.Vaults.Vault {
			found = append(found, vault{id: tea.StringValue(v.VaultId), name: tea.StringValue(v.VaultName), status: tea.StringValue(v.Status), created: tea.Int64Value(v.CreatedTime)})
		}
		return found, int64(tea.Int32Value(answer.TotalCount)), nil
	})
}
