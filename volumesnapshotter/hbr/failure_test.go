// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/alibabacloud-go/tea/tea"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// faq is what users of the backup center search for.
const faq = "testdata/backup-center-faq.txt"

// faqSentences returns the sentences of the FAQ that one answers for.
func faqSentences(t *testing.T, owner string) []string {
	t.Helper()
	content, err := os.ReadFile(faq)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(content)) {
		if of, sentence, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && of == owner {
			found = append(found, sentence)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no sentence of %s", faq, owner)
	}
	return found
}

func TestEverySentenceOfTheFAQHasARemedy(t *testing.T) {
	t.Parallel()
	for _, sentence := range faqSentences(t, "hbr") {
		if remedy("doing something", errors.New(sentence)) == "" {
			t.Errorf("nobody says what to do about %q", sentence)
		}
	}
	for _, owner := range []string{"objectstore", "velero", "ecs", "storageclass"} {
		for _, sentence := range faqSentences(t, owner) {
			if got := remedy("doing something", errors.New(sentence)); got != "" {
				t.Errorf("%q is not about Cloud Backup, and has the remedy %q", sentence, got)
			}
		}
	}
}

// answered is the error of a call that the cloud refused.
func answered(action string, status int, code, message string) error {
	return &alicloud.CallError{Action: action, Region: "cn-hangzhou", Err: &tea.SDKError{
		StatusCode: tea.Int(status), Code: tea.String(code), Message: tea.String(message), Data: tea.String(`{"RequestId":"4C1"}`),
	}}
}

// TestWhatTheFAQWouldShow holds, for each sentence of the FAQ, the error that shows
// it: its words, its cause and what to do.
func TestWhatTheFAQWouldShow(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, tt := range faqCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := fail(tt.task, "volume pv-1", tt.err).Error()
			for part := range strings.SplitSeq(tt.sentence, " ... ") {
				if !strings.Contains(text, part) {
					t.Errorf("error %q, want it to contain %q", text, part)
				}
			}
			if !strings.Contains(text, "(volume pv-1): ") || !strings.Contains(text, tt.remedy) {
				t.Errorf("error %q, want the remedy %q", text, tt.remedy)
			}
		})
		shown[tt.sentence] = true
	}
	for _, sentence := range faqSentences(t, "hbr") {
		if !shown[sentence] {
			t.Errorf("no case shows %q", sentence)
		}
	}
}

type faqCase struct {
	name     string
	sentence string
	task     task
	err      error
	remedy   string
}

func faqCases() []faqCase {
	const (
		unbound = "wait for created tmp pvc default/demo-pvc-for-convert202311151045 for convertion bound time out" //nolint:misspell // So the backup center writes it.
		vault   = "HBRError: check HBR vault error"
		request = "HBR backup request failed"
	)
	unboundClaim := &mount.UnboundError{Namespace: "default", Name: "demo-pvc-for-convert202311151045", Event: "no zone has such a disk"}
	return []faqCase{
		{"a service that fails", "HBR backup/restore internal error", backingUp, answered("hbr:CreateBackupJob", 500, "InternalError", "An internal error occurred."), "container backup is available in this region"},
		{"a claim that stays unbound", unbound, restoring, unboundClaim, "common causes are a StorageClass that this cluster lacks"},
		{"the same by its other sentence, with the claim's event", "create cluster resources timeout", restoring, unboundClaim, "kubectl describe pvc"},
		{"a pod that stays unready", "create cluster resources timeout", restoring, errors.New("create cluster resources timeout: pod velero/x: no node"), "the events of the pod and the claim tell why"},
		{"a client that is not installed", "addon status is abnormal", checkingClient, errors.New("the DaemonSet velero/hbr-client is not there"), "apply deploy/hbr-client"},
		{"a service that is not activated", vault, checkingVault, answered("hbr:CreateVault", 403, "ServiceNotActivated", "Not activated."), "activate it in the Cloud Backup console"},
		{"the same with the status of a success", vault, checkingVault, answered("hbr:CreateVault", 200, "ServiceNotActivated", "Not activated."), "activate it in the Cloud Backup console"},
		{"a service role that is missing", vault, checkingVault, answered("hbr:CreateVault", 403, "AssumeRoleFail", "x"), "confirm the authorisation"},
		{"a service role that is not there", vault, checkingVault, answered("hbr:CreateVault", 404, "RoleNotExist", "x"), "confirm the authorisation"},
		{"an account that is overdue", vault, checkingVault, answered("hbr:CreateVault", 403, "InDebtOverdue", "x"), "settle it in the billing console"},
		{"an account that is blocked", vault, checkingVault, answered("hbr:CreateVault", 403, "RiskControlProhibited", "x"), "ask its support"},
		{"a permission that is missing", vault, checkingVault, answered("hbr:CreateVault", 403, "NoPermission", "x"), "grant it hbr:CreateVault, with the policy in deploy/ram/hbr.json"},
		{"a vault that cannot be initialised", vault, checkingVault, answered("hbr:CreateVault", 500, "InitVaultError", "x"), "delete it there if it stays in error"},
		{"a vault that is in a wrong state", vault, checkingVault, errors.New("the vault is in the state ERROR"), "check that Cloud Backup is activated"},
		{"a vault that was deleted", "HBRError: ... code: 400, Illegal request. Please modify the parameters", backingUp, answered("hbr:CreateBackupJob", 400, "BadRequest", "Illegal request. Please modify the parameters"), "cannot be restored any more; the next backup makes the vault again"},
		{"a vault that is not there", vault, checkingVault, answered("hbr:DescribeVaults", 404, "VaultNotExist", "x"), "the vault was deleted"},
		{"a node without the client", "hbr task finished with unexpected status: FAILED, errMsg ClientNotExist", backingUp, &jobError{status: "FAILED", message: "ClientNotExist"}, "kubectl get pod -A -l app=hbr-client -o wide"},
		{
			"a region that needs the API gateway", `Code: MagpieBridgeSlrNotExist\n Message: code: 403, AliyunServiceRoleForHbrMagpieBridge doesn't exist, please create this role.`, checkingClient,
			errors.New(`SDKError:\n StatusCode: 403\n Code: MagpieBridgeSlrNotExist\n Message: code: 403, AliyunServiceRoleForHbrMagpieBridge doesn't exist, please create this role. `), "China (Heyuan)",
		},
		{"a Secret without a token", "couldn't find key HBR_TOKEN", checkingClient, errors.New("Error: couldn't find key HBR_TOKEN in Secret velero/hbr-client"), "delete the Secret"},
		{"a block device", request, backingUp, errors.New(reasonBlock), "leave disks to ECS snapshots"},
		{"a plug-in that is not supported", request, backingUp, errors.New("odd"), "the storage plug-in may not be supported"},
		{"files that are not there", "hbr task finished with unexpected status: FAILED, errMsg SOURCE_NOT_EXIST", backingUp, &jobError{status: "FAILED", message: "SOURCE_NOT_EXIST"}, "kubeletRootDir"},
		{"a job that fails otherwise", "hbr task finished with unexpected status: CANCELED, errMsg x", backingUp, &jobError{status: "CANCELED", message: "x"}, "the job <backup>-hbr"},
		{"files that are missing", "PROCESS hbr partially completed", backingUp, &partialError{done: 3, total: 4}, "what was backed up can be restored"},
		{"another region", "only disk type PVs support cross-region restore in current version", restoring, nasSnapshot().in("cn-beijing"), "restore it in the region of the backup"},
	}
}

func TestErrorsOfTheCloudAndOfTheWay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want string
	}{
		{
			"all of an answer", answered("hbr:CreateBackupJob", 404, "ResourceNotFound", "No such cluster."),
			"HBRError: HBR restore request failed: calling hbr:CreateBackupJob in cn-hangzhou: code: 404, No such cluster., ErrorCode=ResourceNotFound, RequestId=4C1 (volume pv-1): what was asked for is not there",
		},
		{
			"one with the status of a success", answered("hbr:CreateRestoreJob", 200, "ResourceNotFound", "No such snapshot."),
			"calling hbr:CreateRestoreJob in cn-hangzhou: No such snapshot., ErrorCode=ResourceNotFound",
		},
		{"too many calls", answered("hbr:CreateBackupJob", 429, "Throttling.User", "x"), "Cloud Backup throttles the account"},
		{"a service that is not there", answered("hbr:CreateBackupJob", 503, "ServiceUnavailable", "x"), "Cloud Backup failed every attempt"},
		{"a key that was deleted", answered("hbr:CreateBackupJob", 404, "InvalidAccessKeyId.NotFound", "x"), "the AccessKey was deleted"},
		{"a token that has run out", answered("hbr:CreateBackupJob", 403, "InvalidSecurityToken.Expired", "x"), "the temporary credentials have expired"},
		{"a clock that is wrong", answered("hbr:CreateBackupJob", 400, "InvalidTimeStamp.Expired", "x"), "synchronise it (NTP)"},
		{"a call that was denied by RAM, with the action in its answer", &alicloud.CallError{Action: "hbr:CreateBackupPlan", Err: &tea.SDKError{
			StatusCode: tea.Int(403), Code: tea.String("Forbidden.RAM"), Data: tea.String(`{"AccessDeniedDetail":{"AuthAction":"nas:DescribeFileSystems"}}`),
		}}, "grant it nas:DescribeFileSystems"},
		{"an endpoint that cannot be reached", &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}}, "network: vpc needs a node in a VPC"},
		{"time that is over", fmt.Errorf("waiting: %w", context.DeadlineExceeded), "HBRError: HBR restore request failed: waiting: context deadline exceeded (volume pv-1): check that the cluster can reach"},
		{"no credentials", &credentials.Error{Err: errors.New("the file /c is empty")}, "/c is empty (volume pv-1)"},
		{"what nobody knows", errors.New("odd\nand long"), "HBRError: HBR restore request failed: odd; and long (volume pv-1)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := fail(restoring, "volume pv-1", tt.err)
			if !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
	if err := fail(restoring, "volume pv-1", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestAnAnswerBeforeTheEndIsToldAsOne(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("%w: %w", context.DeadlineExceeded, answered("hbr:CreateBackupJob", 429, "Throttling.User", "Slow down."))
	if text := fail(checkingVault, "vault ack-backup-data", err).Error(); !strings.Contains(text, "context deadline exceeded") || !strings.Contains(text, "Slow down.") {
		t.Errorf("error %q, want both", text)
	}
}

func TestPartialBackupsCountTheirItems(t *testing.T) {
	t.Parallel()
	if got, want := (&partialError{done: 3, total: 4}).Error(), "PROCESS hbr partially completed: 3 of 4 items"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}
