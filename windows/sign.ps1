# SPDX-License-Identifier: MIT
#
# sign.ps1 - makes the catalogue and test-signs gatehouse.sys, gatehouse.exe and gatehouse.cat on Windows.
#
#   .\sign.ps1 [-Folder .] [-Subject "CN=Gatehouse test signing"] [-Trust]
#
# From an elevated PowerShell with the WDK installed (Inf2Cat.exe, signtool.exe). It makes the certificate in the store
# Cert:\CurrentUser\My when it is not there. -Trust puts it into this machine's stores Root and TrustedPublisher, without which
# Windows does not accept the signature; then 'bcdedit /set testsigning on' and a restart (docs/windows.md).
# The driver is signed first: the catalogue holds the hash of each file as it is then.
#
# Not run yet: there was no Windows where it was written.
param(
    [string]$Folder = $PSScriptRoot,
    [string]$Subject = 'CN=Gatehouse test signing',
    [switch]$Trust
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest

function Find-Tool([string]$Name) {
    $command = Get-Command $Name -ErrorAction SilentlyContinue
    if ($command) { return $command.Source }
    $kits = Join-Path ${env:ProgramFiles(x86)} 'Windows Kits\10\bin'
    $found = Get-ChildItem -Path $kits -Filter $Name -Recurse -ErrorAction SilentlyContinue |
        Where-Object { $_.DirectoryName -match '\\x(64|86)$' } | Sort-Object FullName | Select-Object -Last 1
    if (-not $found) { throw "$Name is not in PATH and not below $kits; install the Windows Driver Kit." }
    return $found.FullName
}

function Invoke-Tool([string]$Tool, [string[]]$Arguments) {
    & $Tool @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$(Split-Path -Leaf $Tool) ended with $LASTEXITCODE, see above." }
}

$driver = Join-Path $Folder 'gatehouse.sys'
$inf = Join-Path $Folder 'gatehouse.inf'
foreach ($file in $driver, $inf) {
    if (-not (Test-Path $file)) { throw "$file is missing; unpack the whole zip, or name its folder with -Folder." }
}
$inf2cat = Find-Tool 'Inf2Cat.exe'
$signtool = Find-Tool 'signtool.exe'

$certificate = Get-ChildItem Cert:\CurrentUser\My -CodeSigningCert |
    Where-Object { $_.Subject -eq $Subject -and $_.NotAfter -gt (Get-Date) } | Select-Object -First 1
if (-not $certificate) {
    $certificate = New-SelfSignedCertificate -Type CodeSigningCert -Subject $Subject -HashAlgorithm SHA256 `
        -KeyAlgorithm RSA -KeyLength 3072 -CertStoreLocation Cert:\CurrentUser\My -NotAfter (Get-Date).AddYears(1)
}
if ($Trust) {
    $cer = Join-Path ([IO.Path]::GetTempPath()) 'gatehouse-test.cer'
    Export-Certificate -Cert $certificate -FilePath $cer | Out-Null
    foreach ($store in 'Root', 'TrustedPublisher') {
        Import-Certificate -FilePath $cer -CertStoreLocation "Cert:\LocalMachine\$store" | Out-Null
    }
    Remove-Item $cer
}

$sign = @('sign', '/v', '/fd', 'SHA256', '/sha1', $certificate.Thumbprint)
Invoke-Tool $signtool ($sign + $driver)
$program = Join-Path $Folder 'gatehouse.exe'
if (Test-Path $program) { Invoke-Tool $signtool ($sign + $program) }
Invoke-Tool $inf2cat @("/driver:$Folder", '/os:10_VB_X64', '/uselocaltime')
Invoke-Tool $signtool ($sign + (Join-Path $Folder 'gatehouse.cat'))
# /pa: the policy for user mode; a test certificate never passes the kernel's.
Invoke-Tool $signtool @('verify', '/v', '/pa', (Join-Path $Folder 'gatehouse.cat'))
Write-Output "Signed by $($certificate.Thumbprint). Trusted here: $Trust."
