*** Comments ***
Runs a firmware on Renode's STM32H743 and has it decide on a picture.

    renode-test renode/h743.robot
    renode-test --variable ELF:/path/to/firmware.elf --variable IMAGE:face.png renode/h743.robot

PYTHON must be an interpreter that has Firmcast's dependencies (.venv/bin/python).

*** Settings ***
Suite Setup       Setup
Suite Teardown    Teardown
Test Setup        Reset Emulation
Test Teardown     Test Teardown
Resource          ${RENODEKEYWORDS}
Library           Process

*** Variables ***
${ROOT}      ${CURDIR}/..
${ELF}       ${ROOT}/build/mask_cnn/cmake-build/firmware.elf
${IMAGE}     ${EMPTY}
${PYTHON}    ${ROOT}/.venv/bin/python
${PORT}      34560
${UART}      sysbus.usart3

*** Keywords ***
Create Machine
    Execute Command    $elf=@${ELF}
    Execute Command    $port=${PORT}
    Execute Command    include @${CURDIR}/machine.resc
    Create Terminal Tester    ${UART}    timeout=30

*** Test Cases ***
Firmware Should Greet
    Create Machine
    Start Emulation
    Wait For Line On Uart    firmcast .* on .*, [0-9]+ MHz    treatAsRegex=true

Firmware Should Decide On A Picture
    Create Machine
    Start Emulation
    Wait For Line On Uart    firmcast .* on .*, [0-9]+ MHz    treatAsRegex=true
    ${result}=    Run Process    ${PYTHON}    ${CURDIR}/host.py    --port    ${PORT}    --image    ${IMAGE}
    ...    env:PYTHONPATH=${ROOT}    timeout=300s    stderr=STDOUT
    Log    ${result.stdout}
    Should Be Equal As Integers    ${result.rc}    0    ${result.stdout}
    Should Match Regexp    ${result.stdout}    decision: .+, score [01]\\.[0-9]{3}, [0-9]+ cycles, door (open|closed)
